//! Lines of arms: those that differ along one axis only.

use crate::study::{Arm, Study};

/// The arms of one line along an axis.
pub struct Group<'s, 'a> {
    /// What they share: the values on the other axes.
    pub label: String,
    /// The place on the axis and the arm, in the axis's order.
    pub points: Vec<(usize, &'s Arm<'a>)>,
}

/// The lines along the axis of that number, in the arms' order.
///
/// A single point makes no line; such points are left out where there are lines. (In a sweep of one axis at a time the
/// points of the other axes stand alone.)
pub fn along<'s, 'a>(study: &'s Study<'a>, axis: usize) -> Vec<Group<'s, 'a>> {
    let mut groups: Vec<(Vec<Option<String>>, &str, Group)> = Vec::new();
    for arm in &study.arms {
        for place in &arm.places {
            let Some(at) = place[axis].as_deref().and_then(|value| study.axes[axis].index(value)) else { continue };
            let mut rest = place.clone();
            rest.remove(axis);
            let group = match groups.iter().position(|(r, variant, _)| *r == rest && *variant == arm.variant) {
                Some(i) => &mut groups[i].2,
                None => {
                    let label = label(study, axis, &rest, &arm.variant);
                    groups.push((rest, &arm.variant, Group { label, points: Vec::new() }));
                    &mut groups.last_mut().expect("one was pushed just now").2
                }
            };
            group.points.push((at, arm));
        }
    }
    let mut groups: Vec<Group> = groups.into_iter().map(|(_, _, group)| group).collect();
    if groups.iter().any(|group| group.points.len() > 1) {
        groups.retain(|group| group.points.len() > 1);
    }
    for group in &mut groups {
        group.points.sort_by_key(|(at, _)| *at);
    }
    groups
}

fn label(study: &Study, axis: usize, rest: &[Option<String>], variant: &str) -> String {
    let others = study.axes.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, axis)| axis);
    let named = others.zip(rest).filter_map(|(axis, value)| Some(format!("{}={}", axis.label, value.as_ref()?)));
    named.chain((!variant.is_empty()).then(|| variant.to_owned())).collect::<Vec<_>>().join(" ")
}
