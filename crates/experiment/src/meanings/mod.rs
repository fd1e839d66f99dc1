//! One sentence for each configuration field, for the reference. The fields are those of
//! [`known::FIELDS`](crate::known::FIELDS), in the same order.

mod data;
mod network;
mod recipe;
mod sweep;

/// Path and meaning of a field.
pub type Meaning = (&'static str, &'static str);

/// A title and the meanings of fields, for each part of a file.
pub const PARTS: [(&str, &[Meaning]); 5] = [
    ("The file", sweep::OF_THE_FILE),
    ("Network and initial weights", network::MEANINGS),
    ("Data", data::MEANINGS),
    ("Recipe", recipe::MEANINGS),
    ("Seeds, arms, comparisons and executor", sweep::MEANINGS),
];

/// Every field with its meaning, in the order of a file.
pub fn all() -> impl Iterator<Item = Meaning> {
    PARTS.into_iter().flat_map(|(_, meanings)| meanings.iter().copied())
}

/// The meaning of the field at `path`; `None` if there is no such field.
pub fn of(path: &str) -> Option<&'static str> {
    all().find(|(known, _)| *known == path).map(|(_, meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::{FIELDS, Kind};
    use crate::{Experiment, Value, fields};
    use res2lab_arch::{BlockKind, Family, ModelOverrides, Stem};

    #[test]
    fn every_field_has_one_meaning_and_every_meaning_a_field() {
        let known: Vec<&str> = FIELDS.iter().map(|(path, ..)| *path).collect();
        let explained: Vec<&str> = all().map(|(path, _)| path).collect();
        assert_eq!(explained, known);
        for (path, meaning) in all() {
            assert!(meaning.ends_with('.') && meaning.len() > 10, "{path}: {meaning}");
        }
    }

    /// serde lists the names that a field accepts when it refuses another.
    #[test]
    fn the_meaning_of_a_field_with_names_lists_all_of_them() {
        let base: Experiment = serde_yaml::from_str("name: t").unwrap();
        for (path, kind, _) in FIELDS {
            if *kind != Kind::Name {
                continue;
            }
            let mut tree = serde_yaml::to_value(&base).unwrap();
            fields::set(&mut tree, path, Value::from("?"));
            let said = serde_yaml::from_value::<Experiment>(tree).unwrap_err().to_string();
            let (_, names) = said.split_once("expected ").unwrap();
            let meaning = of(path).unwrap();
            for name in names.split('`').skip(1).step_by(2) {
                assert!(meaning.contains(&format!("`{name}`")), "{path}: {name} is missing");
            }
        }
    }

    #[test]
    fn defaults_that_follow_from_other_fields_are_those_of_the_code() {
        let given = |family, block, stem| {
            let words = ModelOverrides {
                family: Some(family),
                block: Some(block),
                stem: Some(stem),
                ..ModelOverrides::default()
            };
            words.resolve().unwrap().0
        };
        let res2 = given(Family::Resnet, BlockKind::Res2, Stem::Imagenet);
        let dla = given(Family::Dla, BlockKind::Res2, Stem::Imagenet);
        let plain = given(Family::Resnet, BlockKind::Bottleneck, Stem::Imagenet);
        let cifar = given(Family::Resnet, BlockKind::Res2, Stem::Cifar);
        let [res2_width, dla_width, plain_width] = [&res2, &dla, &plain].map(|spec| spec.width);
        let width = format!(
            "{res2_width} for `res2`, {dla_width} with dla, {plain_width} for `bottleneck`"
        );
        let scale = format!("{} for `res2`, {} for `bottleneck`", res2.scale, plain.scale);
        let [usual, of_cifar] = [&res2, &cifar].map(|spec| spec.depth().unwrap());
        let depth = format!("default {usual}, {of_cifar} with the cifar stem, 60 with dla");
        for (path, text) in [("width", width), ("scale", scale), ("depth", depth)] {
            let meaning = of(&format!("model.{path}")).unwrap();
            assert!(meaning.contains(&text), "{path}: {meaning} lacks {text}");
        }
        let sixty = ModelOverrides {
            family: Some(Family::Dla),
            depth: Some(60),
            ..ModelOverrides::default()
        };
        assert_eq!(sixty.resolve().unwrap().0.blocks, dla.blocks);
    }
}
