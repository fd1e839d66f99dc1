//! What of a head is refused: fields of other heads, and numbers that are impossible.

use super::fpn;
use crate::spec::{Family, HeadKind, ModelSpec, Stem};
use res2lab_error::Error;

/// The most channels that a head may have.
const MOST_CHANNELS: usize = 8192;
/// The greatest distance between taps.
const MOST_DILATION: usize = 512;

/// Checks the fields of a head; an error names the field.
pub(crate) fn check(spec: &ModelSpec) -> Result<(), Error> {
    check_stride(spec)?;
    let known = known(spec.head);
    if let Some(field) = given(spec).into_iter().find(|field| !known.contains(field)) {
        let with = spec.head.map_or("the head of a classifier", HeadKind::name);
        let fits = HEADS.into_iter().filter(|head| self::known(Some(*head)).contains(&field));
        let names: Vec<&str> = fits.map(HeadKind::name).collect();
        return Err(Error::input(
            format!("{field} does not go with {with}"),
            format!("leave {field} out, or give head={}", names.join(" or head=")),
        ));
    }
    let Some(head) = spec.head else { return Ok(()) };
    if spec.family == Family::Dla || spec.stem == Stem::Cifar || spec.blocks.len() != 4 {
        return Err(Error::input(
            format!(
                "head {} needs a resnet with four stages behind a stem that pools",
                head.name()
            ),
            "use family resnet, stem imagenet or deep, and four numbers of blocks",
        ));
    }
    check_numbers(spec, head)
}

const HEADS: [HeadKind; 4] =
    [HeadKind::Fpn, HeadKind::DeepLabV3, HeadKind::DeepLabV3Plus, HeadKind::Unet];

/// The fields that a head has, beside `head` and `output_stride`.
fn known(head: Option<HeadKind>) -> &'static [&'static str] {
    match head {
        None => &[],
        Some(HeadKind::Fpn) => {
            &["pyramid_channels", "segmentation_channels", "merge_policy", "head_dropout"]
        }
        Some(HeadKind::DeepLabV3 | HeadKind::DeepLabV3Plus) => {
            &["decoder_channels", "atrous_rates", "aspp_separable", "head_dropout"]
        }
        Some(HeadKind::Unet) => &["decoder_channels"],
    }
}

/// The fields of heads that are given.
fn given(spec: &ModelSpec) -> Vec<&'static str> {
    let fields = [
        ("pyramid_channels", spec.pyramid_channels.is_some()),
        ("segmentation_channels", spec.segmentation_channels.is_some()),
        ("merge_policy", spec.merge_policy.is_some()),
        ("decoder_channels", spec.decoder_channels.is_some()),
        ("atrous_rates", spec.atrous_rates.is_some()),
        ("aspp_separable", spec.aspp_separable.is_some()),
        ("head_dropout", spec.head_dropout.is_some()),
    ];
    fields.into_iter().filter(|(_, is_given)| *is_given).map(|(field, _)| field).collect()
}

fn check_stride(spec: &ModelSpec) -> Result<(), Error> {
    let Some(stride) = spec.output_stride else { return Ok(()) };
    let allowed: &[usize] = match spec.head {
        None => &[8, 16, 32],
        Some(HeadKind::DeepLabV3 | HeadKind::DeepLabV3Plus) => &[8, 16],
        Some(HeadKind::Fpn | HeadKind::Unet) => &[32],
    };
    let shown: Vec<String> = allowed.iter().map(usize::to_string).collect();
    if !allowed.contains(&stride) {
        let with = spec.head.map_or("the head of a classifier", HeadKind::name);
        return Err(Error::input(
            format!("output_stride {stride} does not go with {with}"),
            format!("give output_stride {}", shown.join(" or ")),
        ));
    }
    if stride < 32 && (spec.family == Family::Dla || spec.stem == Stem::Cifar) {
        return Err(Error::input(
            format!("output_stride {stride} needs a resnet behind a stem that pools"),
            "use family resnet and stem imagenet or deep, or leave output_stride out",
        ));
    }
    Ok(())
}

fn check_numbers(spec: &ModelSpec, head: HeadKind) -> Result<(), Error> {
    let wholes = |field: &str, values: &[usize], count: usize, most: usize| {
        if values.len() == count && values.iter().all(|n| (1..=most).contains(n)) {
            return Ok(());
        }
        let shown: Vec<String> = values.iter().map(usize::to_string).collect();
        let numbers = if count == 1 { "a whole number" } else { "whole numbers" };
        Err(Error::input(
            format!("{field} [{}] does not go with head {}", shown.join(", "), head.name()),
            format!("give {count} {numbers} from 1 to {most}"),
        ))
    };
    let steps = if head == HeadKind::Unet { 5 } else { 1 };
    let slices = [
        ("pyramid_channels", spec.pyramid_channels.as_slice(), 1, MOST_CHANNELS),
        ("segmentation_channels", spec.segmentation_channels.as_slice(), 1, MOST_CHANNELS),
        ("decoder_channels", spec.decoder_channels.as_deref().unwrap_or(&[]), steps, MOST_CHANNELS),
        ("atrous_rates", spec.atrous_rates.as_deref().unwrap_or(&[]), 3, MOST_DILATION),
    ];
    let known = known(spec.head);
    for (field, values, count, most) in slices.into_iter().filter(|of| known.contains(&of.0)) {
        wholes(field, values, count, most)?;
    }
    if let Some(channels) = spec.segmentation_channels.filter(|n| !n.is_multiple_of(fpn::GROUPS)) {
        return Err(Error::input(
            format!("segmentation_channels {channels} is no multiple of {}", fpn::GROUPS),
            format!("give a multiple of {}, the groups of its norms", fpn::GROUPS),
        ));
    }
    match spec.head_dropout {
        Some(rate) if !(0.0..1.0).contains(&rate) => Err(Error::input(
            format!("head_dropout {rate} is impossible"),
            "give a number of at least 0 and below 1",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::ModelOverrides;

    fn resolved(words: serde_json::Value) -> Result<crate::ModelSpec, res2lab_error::Error> {
        let words: ModelOverrides = serde_json::from_value(words).unwrap();
        Ok(words.resolve()?.0)
    }

    #[test]
    fn impossible_heads_name_the_field_and_a_remedy() {
        use serde_json::json;
        for (words, cause, help) in [
            (json!({"head": "fpn", "family": "dla"}), "head fpn needs", "family resnet"),
            (json!({"head": "unet", "stem": "cifar"}), "head unet needs", "stem imagenet"),
            (json!({"head": "unet", "blocks": [1, 1, 1]}), "four stages", "four numbers"),
            (json!({"head": "fpn", "output_stride": 8}), "output_stride 8", "output_stride 32"),
            (json!({"head": "deeplabv3", "output_stride": 32}), "deeplabv3", "8 or 16"),
            (json!({"output_stride": 4}), "classifier", "8 or 16 or 32"),
            (json!({"output_stride": 8, "stem": "cifar"}), "output_stride 8", "leave"),
            (json!({"pyramid_channels": 8}), "pyramid_channels", "head=fpn"),
            (
                json!({"head": "fpn", "atrous_rates": [1, 2, 3]}),
                "atrous_rates",
                "head=deeplabv3 or",
            ),
            (json!({"head": "deeplabv3", "atrous_rates": [1, 2]}), "[1, 2]", "give 3 whole"),
            (json!({"head": "unet", "decoder_channels": 16}), "[16]", "give 5 whole numbers"),
            (json!({"head": "fpn", "segmentation_channels": 8}), "multiple of 32", "multiple"),
            (json!({"head": "fpn", "pyramid_channels": 0}), "[0]", "from 1 to"),
            (json!({"head": "fpn", "head_dropout": 1.0}), "head_dropout 1", "below 1"),
        ] {
            let e = resolved(words.clone()).expect_err(&words.to_string());
            assert!(e.cause.contains(cause) && e.help.contains(help), "{words}: {e:?}");
        }
    }

    #[test]
    fn defaults_follow_the_head() {
        use serde_json::json;
        let plus = resolved(json!({"head": "deeplabv3plus"})).unwrap();
        assert_eq!((plus.output_stride, plus.aspp_separable), (Some(16), Some(true)));
        let given = json!({"head": "deeplabv3plus", "decoder_channels": 256, "head_dropout": 0.5});
        assert_eq!(resolved(given).unwrap(), plus);
        let plain = resolved(json!({})).unwrap();
        assert_eq!(resolved(json!({"output_stride": 32})).unwrap(), plain);
        assert!(!serde_json::to_string(&plain).unwrap().contains("head"));
    }
}
