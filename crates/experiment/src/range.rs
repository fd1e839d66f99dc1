//! `first..last:step`, counted in decimal digits, so that 0.1 + 2 * 0.1 is 0.3 however small the
//! numbers are.

use crate::{SpecError, Value, axes};
use serde_yaml::Number;

/// More points than this are a slip of the keyboard.
const MOST_POINTS: i128 = 100_000;
/// Digits of a number; eighteen times ten to the eighteenth is still exact in 128 bits.
const MOST_DIGITS: usize = 18;
/// The last step may miss the end by this share of a step: thirds cannot be written in decimals.
const SLACK: f64 = 1e-8;

/// A number as `digits * 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Decimal {
    digits: i128,
    exponent: i32,
}

/// The points of the range that `item` is; None if it is none, because it has no `..` between
/// numbers. `must` is set where the field takes numbers, so that `..` can mean nothing else.
pub(crate) fn points(label: &str, item: &str, must: bool) -> Result<Option<Vec<Value>>, SpecError> {
    let Some((first, rest)) = item.split_once("..") else { return Ok(None) };
    let (last, step) = rest.split_once(':').map_or((rest, None), |(last, step)| (last, Some(step)));
    let [first, last] = [first.trim(), last.trim()];
    let numbers =
        (decimal(first), decimal(last), step.map_or(Some(ONE), |step| decimal(step.trim())));
    let (Some(a), Some(b), Some(by)) = numbers else {
        let help =
            format!("write first..last or first..last:step in numbers, e.g. {}", example(label));
        return if must {
            Err(SpecError::new(format!("{label}={item} is not a range"), help))
        } else {
            Ok(None)
        };
    };
    let exponent = a.exponent.min(b.exponent).min(by.exponent);
    let (Some(a), Some(b), Some(by)) = (a.at(exponent), b.at(exponent), by.at(exponent)) else {
        let cause = format!("{label}={item}: its numbers are too far apart");
        return Err(SpecError::new(cause, "list the values, separated by commas"));
    };
    let shown = |digits: i128| axes::show(&Value::Number(number(digits, exponent)));
    if by <= 0 {
        return Err(SpecError::new(
            format!("{label}={item} has a step of {}", shown(by)),
            "give a step above 0",
        ));
    }
    if a > b {
        let help = format!("write the smaller end first: {label}={last}..{first}");
        return Err(SpecError::new(format!("{label}={item} runs backwards"), help));
    }
    let steps = (b - a + by / 2) / by;
    if steps >= MOST_POINTS {
        return Err(SpecError::new(
            format!("{label}={item} has {steps} points"),
            "give a larger step",
        ));
    }
    if ((a + steps * by - b) as f64).abs() > SLACK * by as f64 {
        let reached = a + (b - a) / by * by;
        return Err(misses_its_end(
            label,
            item,
            (first, last),
            step,
            (&shown(reached), reached > a, &shown(b - a)),
        ));
    }
    Ok(Some((0..=steps).map(|i| Value::Number(number(a + i * by, exponent))).collect()))
}

const ONE: Decimal = Decimal { digits: 1, exponent: 0 };

fn example(label: &str) -> String {
    match crate::fields::path_of(label).ok().and_then(|path| crate::known::kind(&path)) {
        Some(crate::known::Kind::Real) => format!("{label}=0.1..0.3:0.1"),
        _ => format!("{label}=20..56:9"),
    }
}

/// `reached` is the last point, whether it is another one than the first, and how far apart the
/// ends are.
fn misses_its_end(
    label: &str,
    item: &str,
    (first, last): (&str, &str),
    step: Option<&str>,
    (reached, moves, length): (&str, bool, &str),
) -> SpecError {
    match step {
        None if !moves => SpecError::new(
            format!("{label}={item} has no step, and the step is 1 where none is written"),
            format!("write the step behind a colon, e.g. {label}={first}..{last}:{length}"),
        ),
        _ => {
            let misses = "does not reach its end: both ends are included, and the steps end on";
            let step = step.unwrap_or("1").trim();
            let help = if moves {
                format!("write {label}={first}..{reached}:{step}")
            } else {
                format!("give a smaller step, e.g. {label}={first}..{last}:{length}")
            };
            SpecError::new(format!("{label}={item} {misses} {reached}"), help)
        }
    }
}

impl Decimal {
    /// Its digits if it is written with another exponent, which is not above its own.
    fn at(self, exponent: i32) -> Option<i128> {
        let zeros =
            u32::try_from(self.exponent - exponent).ok().filter(|&n| n as usize <= MOST_DIGITS)?;
        self.digits.checked_mul(10_i128.checked_pow(zeros)?)
    }
}

/// Reads `20`, `-0.5`, `1e-4`; None for anything else, and for more digits than anybody writes.
fn decimal(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.parse::<i32>().ok().filter(|e| e.abs() <= 300)?)
        }
        None => (text, 0),
    };
    let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty()
        || digits.len() > MOST_DIGITS
        || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let value: i128 = digits.parse().ok()?;
    let exponent = exponent - i32::try_from(fraction.len()).ok()?;
    Some(Decimal { digits: if is_negative { -value } else { value }, exponent })
}

/// The nearest float, or the whole number that it is.
fn number(digits: i128, exponent: i32) -> Number {
    let power = 10_i128.checked_pow(exponent.unsigned_abs());
    let whole = match power {
        Some(power) if exponent >= 0 => digits.checked_mul(power),
        Some(power) if digits % power == 0 => Some(digits / power),
        _ => None,
    };
    match whole.and_then(|whole| i64::try_from(whole).ok()) {
        Some(whole) => Number::from(whole),
        None => crate::known::number(format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN)),
    }
}
