//! Words as a shell reads them.

/// The word as it is typed in a shell. A word such as `scale=2,4` needs no quotes.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=,+:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    // No argument of a program holds the one byte that cannot be quoted.
    shlex::try_quote(word).map_or_else(|_| word.replace('\0', ""), |quoted| quoted.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_each_word_back() {
        assert_eq!(quoted("scale=2,4"), "scale=2,4");
        for word in ["", "two words", "it's", "$HOME", "a;b", "~", "*", "\"x\"", "größer", "a\\b"]
        {
            assert_eq!(shlex::split(&quoted(word)), Some(vec![word.to_owned()]), "{word}");
        }
    }
}
