//! Lines of members (arms, networks) that differ along one axis only.

use crate::axis::{Axis, Place};
use crate::study::{Arm, Study};

/// The members of one line along an axis.
pub struct Group<T> {
    /// The values that the members share on the other axes.
    pub label: String,
    /// The same by axis; `None` on the line's own axis, and where the members have no value.
    pub shared: Place,
    /// Each member with the index of its axis value, in the axis's order.
    pub points: Vec<(usize, T)>,
}

/// The lines of a study's arms along the axis with index `axis`.
pub fn along<'s, 'a>(study: &'s Study<'a>, axis: usize) -> Vec<Group<&'s Arm<'a>>> {
    gather(&study.axes, axis, study.arms.iter().map(|arm| (arm, &arm.places[..], &arm.variant[..])))
}

/// The lines along the axis with index `axis`, in the members' order. Each member comes with its
/// places on `axes` and its variant, which distinguishes it from other members at the same place.
///
/// A single point makes no line. Single points are left out if there are lines: in a one-at-a-time
/// sweep, the points of the other axes stand alone.
pub fn gather<'m, T: Copy>(
    axes: &[Axis],
    axis: usize,
    members: impl Iterator<Item = (T, &'m [Place], &'m str)>,
) -> Vec<Group<T>> {
    // The key of a line: the place on the other axes, and the variant.
    let mut shared: Vec<(Place, &str)> = Vec::new();
    let mut groups: Vec<Group<T>> = Vec::new();
    for (member, places, variant) in members {
        for place in places {
            let Some(at) = place[axis].as_deref().and_then(|value| axes[axis].index(value)) else {
                continue;
            };
            let mut rest = place.clone();
            rest.remove(axis);
            let i =
                shared.iter().position(|(r, v)| *r == rest && *v == variant).unwrap_or_else(|| {
                    let mut others = place.clone();
                    others[axis] = None;
                    let label = label(axes, axis, &rest, variant);
                    groups.push(Group { label, shared: others, points: Vec::new() });
                    shared.push((rest, variant));
                    shared.len() - 1
                });
            groups[i].points.push((at, member));
        }
    }
    if groups.iter().any(|group| group.points.len() > 1) {
        groups.retain(|group| group.points.len() > 1);
    }
    for group in &mut groups {
        group.points.sort_by_key(|(at, _)| *at);
    }
    groups
}

fn label(axes: &[Axis], axis: usize, rest: &[Option<String>], variant: &str) -> String {
    let others = axes.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, axis)| axis);
    let named = others
        .zip(rest)
        .filter_map(|(axis, value)| Some(format!("{}={}", axis.label, value.as_ref()?)));
    named.chain((!variant.is_empty()).then(|| variant.to_owned())).collect::<Vec<_>>().join(" ")
}
