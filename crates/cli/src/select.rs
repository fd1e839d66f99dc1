//! Rows and columns of a table by what a user asks: conditions such as `scale=4,8` or
//! `val_acc1>97`, columns, an order.
use res2lab_error::Error;
use res2lab_experiment::words;
use serde_json::Value;
use std::cmp::Ordering;

/// A table: names, and rows of values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rows {
    /// Names in order.
    pub columns: Vec<String>,
    /// As many values each as there are names.
    pub rows: Vec<Vec<Value>>,
}

/// Longer ones before those that they begin with.
const OPERATORS: [&str; 8] = ["!=", "<=", ">=", "==", "=", "<", ">", "~"];

/// Values of a column that a message lists.
const MOST_VALUES: usize = 12;

/// A condition on one column.
struct Condition {
    column: usize,
    operator: &'static str,
    /// Alternatives, of which one must hold.
    values: Vec<String>,
}

impl Rows {
    /// Keeps the rows of which all of `conditions` hold. A remark if there are none.
    pub(crate) fn keep(&mut self, conditions: &[String]) -> Result<Option<String>, Error> {
        let parsed =
            conditions.iter().map(|text| self.condition(text)).collect::<Result<Vec<_>, _>>()?;
        let of_one = |condition: &Condition| {
            self.rows.iter().any(|row| condition.holds(&row[condition.column]))
        };
        // A condition that no row meets by itself is told with the values that there are.
        let nobodys = conditions.iter().zip(&parsed).find(|(_, condition)| !of_one(condition));
        let remark = nobodys.map(|(text, condition)| self.nothing(text, condition.column));
        let had_rows = !self.rows.is_empty();
        self.rows
            .retain(|row| parsed.iter().all(|condition| condition.holds(&row[condition.column])));
        let together = || format!("no row has all of {}", conditions.join(" "));
        Ok((had_rows && self.rows.is_empty()).then(|| remark.unwrap_or_else(together)))
    }

    /// That no row meets a condition, and what the rows have.
    fn nothing(&self, condition: &str, column: usize) -> String {
        let name = &self.columns[column];
        let mut values: Vec<&Value> =
            self.rows.iter().map(|row| &row[column]).filter(|v| !is_missing(v)).collect();
        values.sort_by(|a, b| compare(a, b));
        values.dedup_by(|a, b| compare(a, b) == Ordering::Equal);
        let shown = |value: &&Value| crate::print::words::shortened(&text(value));
        let found = match &values[..] {
            [] => "has no value".to_owned(),
            [one] => format!("is {} everywhere", shown(one)),
            [first, .., last]
                if values.len() > MOST_VALUES && values.iter().all(|v| number(v).is_some()) =>
            {
                format!("goes from {} to {}", shown(first), shown(last))
            }
            some => {
                let more = some.len().saturating_sub(MOST_VALUES);
                let more = if more > 0 { format!(" or one of {more} more") } else { String::new() };
                let list = some.iter().take(MOST_VALUES).map(shown).collect::<Vec<_>>().join(", ");
                format!("is one of {list}{more}")
            }
        };
        format!("no row has {condition}; {name} {found}")
    }

    /// Sorts by a column, from the greatest if its name has a minus before it; rows without a value
    /// come last.
    pub(crate) fn sort(&mut self, by: &str) -> Result<(), Error> {
        let (name, is_down) = by.strip_prefix('-').map_or((by, false), |name| (name, true));
        let column = self.column(name)?;
        self.rows.sort_by(|a, b| {
            let a = &a[column];
            let b = &b[column];
            match (is_missing(a), is_missing(b)) {
                (false, false) if is_down => compare(b, a),
                (false, false) => compare(a, b),
                (a, b) => a.cmp(&b),
            }
        });
        Ok(())
    }

    /// Keeps these columns, in this order.
    pub(crate) fn choose(&mut self, names: &[&str]) -> Result<(), Error> {
        let at = names.iter().map(|name| self.column(name)).collect::<Result<Vec<_>, _>>()?;
        self.columns = at.iter().map(|&i| self.columns[i].clone()).collect();
        for row in &mut self.rows {
            *row = at.iter().map(|&i| row[i].clone()).collect();
        }
        Ok(())
    }

    fn condition(&self, text: &str) -> Result<Condition, Error> {
        let found = OPERATORS.iter().filter_map(|operator| Some((text.find(operator)?, *operator)));
        // The first in the text; of those at one place the longest, which stands first in the list.
        let Some((at, operator)) = found.min_by_key(|(at, _)| *at) else {
            return Err(Error::input(
                format!("`{text}` is no condition"),
                "write COLUMN=VALUE, or with != < <= > >= or ~ (contains), e.g. 'val_acc1>97'",
            ));
        };
        let column = self.column(text[..at].trim())?;
        let operator = if operator == "==" { "=" } else { operator };
        let given = text[at + operator_len(text, at)..].trim();
        let mut values: Vec<String> =
            words::pieces(given)?.into_iter().map(|piece| piece.text).collect();
        // A label may have a comma, and a list is one value however it is spaced.
        if values.len() > 1 {
            values.push(given.to_owned());
        }
        Ok(Condition { column, operator, values })
    }

    /// The place of a column; slash paths of metrics are known too.
    fn column(&self, name: &str) -> Result<usize, Error> {
        let plain = name.replace('/', "_");
        self.columns.iter().position(|column| *column == name || *column == plain).ok_or_else(
            || {
                let names = || self.columns.iter().map(String::as_str);
                let near = words::nearest(&plain, names());
                let some: Vec<&str> = near
                    .into_iter()
                    .chain(names().filter(|c| Some(*c) != near && close(c, &plain)))
                    .take(5)
                    .collect();
                let like = if some.is_empty() {
                    String::new()
                } else {
                    format!("did you mean {}? ", some.join(" or "))
                };
                Error::input(
                    format!("there is no column `{name}`"),
                    format!("{like}--describe lists all columns"),
                )
            },
        )
    }
}

/// Whether two names have a beginning or a part in common.
fn close(a: &str, b: &str) -> bool {
    let a = a.to_lowercase();
    let b = b.to_lowercase();
    let start = b.get(..3).unwrap_or(&b);
    !b.is_empty() && (a.contains(&b) || b.contains(&a) || a.starts_with(start))
}

impl Condition {
    fn holds(&self, value: &Value) -> bool {
        let any = |holds: &dyn Fn(&str) -> bool| self.values.iter().any(|wanted| holds(wanted));
        match self.operator {
            "=" => any(&|wanted| equals(value, wanted)),
            "!=" => !any(&|wanted| equals(value, wanted)),
            "~" => any(&|wanted| text(value).to_lowercase().contains(&wanted.to_lowercase())),
            // Nothing is more or less than a missing value or a NaN.
            _ if is_missing(value) => false,
            operator => any(&|wanted| {
                let order = compare(value, &Value::from(wanted));
                match operator {
                    "<" => order == Ordering::Less,
                    "<=" => order != Ordering::Greater,
                    ">" => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }
            }),
        }
    }
}

fn equals(value: &Value, wanted: &str) -> bool {
    match (number(value), wanted.parse::<f64>()) {
        (Some(a), Ok(b)) => a == b,
        _ if wanted.starts_with('[') => without_blanks(&text(value)) == without_blanks(wanted),
        _ => text(value) == wanted,
    }
}

fn without_blanks(list: &str) -> String {
    list.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The length of the operator that stands at a place where there is one.
fn operator_len(text: &str, at: usize) -> usize {
    OPERATORS
        .iter()
        .find(|operator| text[at..].starts_with(**operator))
        .map_or(1, |operator| operator.len())
}

/// Numbers by size, other things by their text.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => text(a).cmp(&text(b)),
    }
}

fn is_missing(value: &Value) -> bool {
    value.is_null() || number(value).is_some_and(f64::is_nan)
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// A value as it stands in a text file; nothing for a missing one.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        // As Rust and the files beside it write numbers: 0, not 0.0.
        Value::Number(n) if n.is_f64() => n.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table() -> Rows {
        let rows = [
            vec![json!("scale=2"), json!(2), json!(96.5), json!("done")],
            vec![json!("scale=4"), json!(4), json!("NaN"), json!("diverged")],
            vec![json!("scale=8"), json!(8), json!(97.25), json!("done")],
            vec![json!("scale=10"), json!(10), Value::Null, json!("pending")],
        ];
        Rows {
            columns: ["label", "scale", "val_acc1", "status"].map(str::to_owned).to_vec(),
            rows: rows.to_vec(),
        }
    }

    fn labels(conditions: &[&str]) -> Vec<String> {
        let mut table = table();
        table.keep(&conditions.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()).unwrap();
        table.rows.iter().map(|row| text(&row[1])).collect()
    }

    #[test]
    fn conditions_keep_what_they_say() {
        assert_eq!(labels(&["scale=2,8"]), ["2", "8"]);
        assert_eq!(labels(&["scale=4.0"]), ["4"]);
        assert_eq!(labels(&["scale>=8", "status=done"]), ["8"]);
        assert_eq!(labels(&["val/acc1>=96.5"]), ["2", "8"], "a NaN is not above anything");
        assert_eq!(labels(&["val_acc1<97"]), ["2"]);
        assert_eq!(labels(&["status!=done"]), ["4", "10"]);
        assert_eq!(labels(&["status~DON"]), ["2", "8"]);
        assert_eq!(labels(&["label=scale=4"]), ["4"], "a value may hold an operator");
        assert_eq!(labels(&["val_acc1="]), ["10"], "missing");
        assert_eq!(labels(&[]).len(), 4);
    }

    #[test]
    fn quotes_and_brackets_keep_together_and_an_empty_table_says_why() {
        let rows = ["[1,1]", "[1,2]", "a,b", "it's"].map(|name| vec![json!(name)]).to_vec();
        let lists = Rows { columns: vec!["blocks".into()], rows };
        let of = |condition: &str| {
            let mut kept = lists.clone();
            let remark = kept.keep(&[condition.to_owned()]).unwrap();
            (kept.rows.iter().map(|row| text(&row[0])).collect::<Vec<_>>(), remark)
        };
        assert_eq!(of("blocks=[1, 1]").0, ["[1,1]"]);
        assert_eq!(of("blocks==[1,1],[1,2]").0, ["[1,1]", "[1,2]"]);
        assert_eq!(of("blocks=a,b").0, ["a,b"]);
        assert_eq!(of("blocks='a,b',\"it's\"").0, ["a,b", "it's"]);
        assert_eq!(of("blocks!=a,b").0.len(), 3);
        let (none, remark) = of("blocks=[2]");
        assert!(none.is_empty());
        assert_eq!(
            remark.unwrap(),
            "no row has blocks=[2]; blocks is one of [1,1], [1,2], a,b, it's"
        );
        assert!(lists.clone().keep(&["blocks='a".into()]).is_err());
        let mut both = table();
        let remark = both.keep(&["scale=2".into(), "status=pending".into()]).unwrap();
        assert_eq!(remark.unwrap(), "no row has all of scale=2 status=pending");
    }

    #[test]
    fn rows_are_sorted_as_numbers_with_missing_values_last() {
        let sorted = |by: &str| {
            let mut table = table();
            table.sort(by).unwrap();
            table.rows.iter().map(|row| text(&row[1])).collect::<Vec<_>>()
        };
        assert_eq!(sorted("-scale"), ["10", "8", "4", "2"]);
        assert_eq!(sorted("val_acc1"), ["2", "8", "4", "10"]);
        assert_eq!(sorted("-val_acc1"), ["8", "2", "4", "10"]);
    }

    #[test]
    fn columns_are_chosen_in_order_and_unknown_ones_are_named() {
        let mut table = table();
        table.choose(&["status", "scale"]).unwrap();
        assert_eq!(table.columns, ["status", "scale"]);
        assert_eq!(table.rows[0], [json!("done"), json!(2)]);
        let error = table.keep(&["stat=done".into()]).unwrap_err();
        assert!(
            error.cause.contains("`stat`") && error.help.contains("did you mean status"),
            "{error:?}"
        );
        assert!(table.keep(&["done".into()]).unwrap_err().help.contains("COLUMN=VALUE"));
        assert!(table.sort("größe").is_err() && table.choose(&[""]).is_err());
    }
}
