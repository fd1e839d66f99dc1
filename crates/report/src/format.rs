//! Formatting of numbers for display.

/// Formats a number with the given number of decimals and a typographic minus sign.
pub fn fixed(x: f64, decimals: usize) -> String {
    let text = format!("{x:.decimals$}");
    match text.strip_prefix('-') {
        // With one decimal, -0.04 is 0.0, not -0.0.
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// Formats a difference, which always has a sign unless it rounds to zero.
pub fn signed(x: f64, decimals: usize) -> String {
    let text = fixed(x, decimals);
    let is_zero = text.chars().all(|c| c == '0' || c == '.');
    if x > 0.0 && !is_zero { format!("+{text}") } else { text }
}

/// Formats a count with three digits and a decimal prefix: 31624 as `31.6 k`, 4254927872 as `4.25
/// G`.
pub fn count(n: u64) -> String {
    let x = n as f64;
    let (value, unit) = match n {
        0..1_000 => return n.to_string(),
        // The bounds are where rounding to three digits reaches the next prefix.
        1_000..999_500 => (x / 1e3, "k"),
        999_500..999_500_000 => (x / 1e6, "M"),
        _ => (x / 1e9, "G"),
    };
    format!("{} {unit}", three_digits(value))
}

/// Formats a count as for [`count`], without trailing zeros: `20 k`. Used for axis ticks.
pub fn tick(n: f64) -> String {
    let text = count(n.max(0.0).round() as u64);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// Formats a number with at most two decimals and without trailing zeros: `12.5`.
pub fn plain(x: f64) -> String {
    let text = fixed(x, 2);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Formats a positive number with three significant digits, or as an integer if it has three digits
/// or more before the point.
pub fn three_digits(x: f64) -> String {
    let decimals = match x.abs() {
        m if m >= 99.95 => 0,
        m if m >= 9.995 => 1,
        m if m >= 0.995 || m == 0.0 => 2,
        m => (2.0 - m.log10().floor()).clamp(2.0, 8.0) as usize,
    };
    fixed(x, decimals)
}

/// Formats seconds as `45 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{} s", fixed(seconds.max(0.0), 1));
    }
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// Formats a p-value with its name: `p = 0.012`, `p < 0.001`.
pub fn p_value(p: f64) -> String {
    format!("p {}", p_number(p, "= "))
}

/// Formats a p-value for a table cell: `0.012`, `< 0.001`.
pub fn p_cell(p: f64) -> String {
    p_number(p, "")
}

fn p_number(p: f64, equals: &str) -> String {
    match p {
        p if p < 0.001 => "< 0.001".into(),
        p if p < 0.0995 => format!("{equals}{p:.3}"),
        p => format!("{equals}{p:.2}"),
    }
}

/// Formats a count with its noun: `1 trial`, `2 trials`.
pub fn plural(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// Joins names as `a, b and c`.
pub fn listed<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", head.join(", "), last.as_ref())
        }
    }
}

/// Joins at most `most` names and counts the rest: `a, b, c and 4 more`.
pub fn shortened<T: AsRef<str>>(names: &[T], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    let more = if names.len() > most {
        format!(" and {} more", names.len() - most)
    } else {
        String::new()
    };
    shown.join(", ") + &more
}

/// The number of decimals that shows about two digits of an interval's half width.
pub fn decimals_for(half_width: f64) -> usize {
    (-(half_width / 5.0).log10()).ceil().clamp(0.0, 9.0) as usize
}

/// Capitalizes the first letter: `Top-1 accuracy`.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Formats a Unix time in seconds as `2026-03-09 14:05 UTC`.
pub fn utc(seconds: f64) -> String {
    let total = seconds.max(0.0) as i64;
    let days = total / 86_400;
    let rest = total % 86_400;
    let (year, month, day) = civil(days);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", rest / 3600, rest % 3600 / 60)
}

/// Converts days since 1970-01-01 to year, month and day. Hinnant's algorithm: years start in
/// March, so that leap days come last.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_three_digits() {
        let shown =
            [0, 999, 1_000, 31_624, 999_499, 999_500, 25_699_120, 999_600_000, 4_254_927_872]
                .map(count);
        assert_eq!(
            shown,
            ["0", "999", "1.00 k", "31.6 k", "999 k", "1.00 M", "25.7 M", "1.00 G", "4.25 G"]
        );
        assert_eq!([20_000.0, 22_500.0, 400.0, 1e6].map(tick), ["20 k", "22.5 k", "400", "1 M"]);
        assert_eq!([12.5, 20.0, 0.25, 100.0].map(plain), ["12.5", "20", "0.25", "100"]);
        assert_eq!(
            [1234.5, 99.96, 9.996, 0.5, 0.01234].map(three_digits),
            ["1234", "100", "10.0", "0.500", "0.0123"]
        );
    }

    #[test]
    fn signs_are_real_and_zero_has_none() {
        assert_eq!([fixed(-0.04, 1), fixed(-1.25, 2)], ["0.0", "−1.25"]);
        assert_eq!([signed(0.04, 1), signed(0.9, 1), signed(-0.9, 1)], ["0.0", "+0.9", "−0.9"]);
    }

    #[test]
    fn times_and_probabilities() {
        assert_eq!(
            [0.24, 45.2, 200.0, 7_510.0].map(duration),
            ["0.2 s", "45 s", "3 min 20 s", "2 h 5 min"]
        );
        assert_eq!([0.0004, 0.0123, 0.4].map(p_value), ["p < 0.001", "p = 0.012", "p = 0.40"]);
        assert_eq!(
            [0.0, 951_782_399.0, 951_868_800.0, 1_772_978_700.0].map(utc),
            [
                "1970-01-01 00:00 UTC",
                "2000-02-28 23:59 UTC",
                "2000-03-01 00:00 UTC",
                "2026-03-08 14:05 UTC",
            ]
        );
    }
}
