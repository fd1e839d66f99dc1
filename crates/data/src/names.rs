//! Class names from the files of a data set: Hugging Face's feature descriptions (in Parquet's
//! metadata, dataset_info.json, or the head of README.md), and lists with one name per line.

use serde_json::Value;
use std::path::Path;

/// The class names of a column in a feature description: `{"label": {"names": [..], "_type":
/// "ClassLabel"}}`, or README.md's `[{"name": "label", "dtype": {"class_label": {"names": {"0":
/// ..}}}}]`.
fn in_features(features: &Value, column: &str) -> Option<Vec<String>> {
    let described = match features {
        Value::Object(map) => map.get(column)?,
        Value::Array(all) => all.iter().find(|feature| feature["name"] == column)?,
        _ => return None,
    };
    let places = [
        &described["names"],
        &described["dtype"]["class_label"]["names"],
        &described["class_label"]["names"],
    ];
    places.into_iter().find_map(in_order)
}

/// Names from a list, or from a map with numbers as keys.
fn in_order(names: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match names {
        Value::Array(all) => all.iter().map(text).collect(),
        Value::Object(map) => {
            let number = |i: usize| map.get(&i.to_string()).and_then(text);
            (0..map.len()).map(number).collect()
        }
        _ => None,
    }
    .filter(|names: &Vec<String>| !names.is_empty())
}

/// The label columns and the picture columns that a feature description declares by type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Described {
    pub labels: Vec<String>,
    pub images: Vec<String>,
}

/// Parses the value of Parquet's metadata under the key `huggingface`.
pub fn described(metadata: &str) -> Described {
    let json: Value = serde_json::from_str(metadata).unwrap_or_default();
    let of = |kind: &str| {
        let features = json["info"]["features"].as_object().into_iter().flatten();
        features
            .filter(|(_, feature)| feature["_type"] == kind)
            .map(|(name, _)| name.clone())
            .collect()
    };
    Described { labels: of("ClassLabel"), images: of("Image") }
}

/// The class names of a column from the value of Parquet's metadata under the key `huggingface`.
pub fn in_metadata(metadata: &str, column: &str) -> Option<Vec<String>> {
    let json: Value = serde_json::from_str(metadata).ok()?;
    in_features(&json["info"]["features"], column)
}

/// The class names of a column from descriptions in `dir` or in a folder above it, for the given
/// configuration.
pub fn beside(dir: &Path, configuration: &str, column: &str) -> Option<Vec<String>> {
    let infos = ["dataset_info.json", "dataset_infos.json", "README.md"];
    let info = |name: &str| {
        let text = std::fs::read_to_string(dir.join(name)).ok()?;
        let json: Value = if name == "README.md" {
            let head = text.strip_prefix("---")?.split("\n---").next()?.to_owned();
            serde_json::to_value(serde_yaml::from_str::<serde_yaml::Value>(&head).ok()?).ok()?
        } else {
            serde_json::from_str(&text).ok()?
        };
        in_info(&json, configuration, column)
    };
    infos.into_iter().find_map(info)
}

/// Class names from one description, a list of descriptions, or a map of descriptions by
/// configuration.
fn in_info(json: &Value, configuration: &str, column: &str) -> Option<Vec<String>> {
    let inner = json.get("dataset_info").unwrap_or(json);
    let own = |info: &Value| in_features(info.get("features")?, column);
    let all: Vec<(Option<&str>, &Value)> = match inner {
        Value::Array(all) => all.iter().map(|info| (info["config_name"].as_str(), info)).collect(),
        Value::Object(map) if !map.contains_key("features") => {
            map.iter().map(|(name, info)| (Some(name.as_str()), info)).collect()
        }
        info => vec![(None, info)],
    };
    let named =
        all.iter().find(|(name, _)| *name == Some(configuration)).and_then(|(_, info)| own(info));
    // If no configuration name matches, only names on which all descriptions agree are used.
    named.or_else(|| {
        let mut found: Vec<Vec<String>> = all.iter().filter_map(|(_, info)| own(info)).collect();
        found.dedup();
        if found.len() == 1 { found.pop() } else { None }
    })
}

/// Reads a list with one name per line from the first of `files` in `dir`.
pub fn lines(dir: &Path, files: &[&str]) -> Option<Vec<String>> {
    let read = |name: &&str| {
        let text = std::fs::read_to_string(dir.join(name)).ok()?;
        let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
        let end = names.iter().rposition(|name| !name.is_empty())?;
        Some(names[..=end].to_vec())
    };
    files.iter().find_map(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_place_where_they_stand() {
        let list = r#"{"label": {"names": ["a", "b"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}"#;
        let metadata = format!(r#"{{"info": {{"features": {list}}}}}"#);
        assert_eq!(in_metadata(&metadata, "label").unwrap(), ["a", "b"]);
        assert_eq!(
            described(&metadata),
            Described { labels: vec!["label".into()], images: vec!["image".into()] }
        );

        let readme = "---\nlicense: mit\ndataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n        \
                      names:\n          '0': a\n          '1': b\n---\n# A data set\n";
        let several = "---\ndataset_info:\n- config_name: x\n  features:\n  - name: label\n    dtype:\n      class_label:\n        \
                       names: {'0': c, '1': d}\n- config_name: plain\n  features:\n  - name: label\n    dtype:\n      \
                       class_label:\n        names: {'0': a, '1': b}\n---\n";
        for (name, text) in [
            ("dataset_info.json", format!(r#"{{"features": {list}}}"#)),
            ("dataset_infos.json", format!(r#"{{"plain": {{"features": {list}}}}}"#)),
            ("README.md", readme.to_owned()),
            ("README.md", several.to_owned()),
        ] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(name), text).unwrap();
            assert_eq!(
                beside(dir.path(), "plain", "label").unwrap_or_default(),
                ["a", "b"],
                "{name}"
            );
            assert_eq!(beside(dir.path(), "plain", "other"), None);
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("classnames.txt"), "a\nb \n\n").unwrap();
        assert_eq!(lines(dir.path(), &["classes.txt", "classnames.txt"]).unwrap(), ["a", "b"]);
    }
}
