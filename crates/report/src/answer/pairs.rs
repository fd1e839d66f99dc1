//! Sentences on arms compared with partners.

use super::numbers::{
    adjusted, adjusted_from, decimals, margin, narrow, of_finding, points, range, seeds_needed,
    signed_points, small,
};
use super::sorted;
use crate::findings::{Finding, Subject, Verdict};
use crate::format::{listed, plural, shortened};
use crate::study::{Arm, Pair, Study};

/// Maximum number of arms with a sentence of their own; the others are named or counted.
const MOST_SENTENCES: usize = 6;
/// Maximum number of unresolved arms with a sentence of their own.
const MOST_UNRESOLVED: usize = 3;
/// Maximum number of names in one sentence.
const MOST_NAMES: usize = 12;

/// The headline, then differences, equalities, and unresolved pairs.
pub(super) fn sentences(study: &Study) -> Vec<String> {
    let members = &study.findings.members;
    let mut sentences = Vec::new();
    sentences.extend((study.findings.tested() > 1).then(|| headline(study, members)));
    let each = |wanted: fn(Verdict) -> bool, say: fn(&Study, &Finding) -> String, most: usize| {
        let found = sorted(members, |f| wanted(f.verdict));
        let mut said: Vec<String> = found.iter().take(most).map(|f| say(study, f)).collect();
        if found.len() > most {
            said.push(format!("The table of arms has the other {}.", found.len() - most));
        }
        said
    };
    sentences.extend(each(Verdict::is_difference, different, MOST_SENTENCES));
    sentences.extend(each(|v| v == Verdict::Equal, equal, MOST_SENTENCES));
    let open = sorted(members, |f| f.verdict == Verdict::NotResolved);
    if open.len() <= MOST_UNRESOLVED {
        sentences.extend(open.iter().map(|f| unresolved(study, f)));
    } else {
        sentences.push(many_unresolved(study, &open));
    }
    sentences.extend(untested(study));
    sentences
}

fn arms<'s, 'a>(study: &'s Study<'a>, finding: &Finding) -> Option<(&'s Arm<'a>, &'s Arm<'a>)> {
    let Subject::Pair { arm, partner } = finding.subject else { return None };
    Some((&study.arms[arm], &study.arms[partner]))
}

/// The partner that all findings share.
fn common_partner<'s, 'a>(study: &'s Study<'a>, findings: &[&Finding]) -> Option<&'s Arm<'a>> {
    let mut partners = findings.iter().filter_map(|f| arms(study, f)).map(|(_, partner)| partner);
    let first = partners.next()?;
    partners.all(|partner| partner.id == first.id).then_some(first)
}

/// The number of arms that are better, worse, equal and not resolved.
fn headline(study: &Study, members: &[Finding]) -> String {
    let count = |verdict: Verdict| members.iter().filter(|f| f.verdict == verdict).count();
    let n = study.findings.tested();
    let common = common_partner(study, &members.iter().collect::<Vec<_>>());
    let seeds = seeds(members);
    let open = count(Verdict::NotResolved);
    if open == n {
        return match common {
            Some(partner) => format!(
                "None of the {n} comparisons with {} is resolved with {seeds}.",
                partner.label
            ),
            None => format!("None of the {n} comparisons is resolved with {seeds}."),
        };
    }
    let better = count(Verdict::Better);
    let worse = count(Verdict::Worse);
    let equal = count(Verdict::Equal);
    let within = format!("within {}", margin(study));
    let (arms, partner) = match common {
        Some(partner) => (format!("All {n} arms"), partner.label.as_str()),
        None => (format!("In all {n} pairs the first arms"), "the second"),
    };
    match n {
        n if n == better => return format!("{arms} are better than {partner} ({seeds})."),
        n if n == worse => return format!("{arms} are worse than {partner} ({seeds})."),
        n if n == equal => return format!("{arms} are equal to {partner} {within} ({seeds})."),
        _ => {}
    }
    let is = |n: usize| if n == 1 { "is" } else { "are" };
    let mut parts = Vec::new();
    let mut add = |n: usize, what: String| {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    };
    add(better, format!("{} better", is(better)));
    add(worse, format!("{} worse", is(worse)));
    add(equal, format!("{} equal {within}", is(equal)));
    add(open, format!("{} not resolved", is(open)));
    let of = match common {
        Some(partner) => format!("Of {n} arms compared with {}", partner.label),
        None => format!("Of the first arms of {n} pairs"),
    };
    format!("{of}, {} ({seeds}).", listed(&parts))
}

/// Formats the number of seeds: `3 seeds`, or `2 to 5 seeds`.
fn seeds(members: &[Finding]) -> String {
    let counts =
        || members.iter().filter(|f| f.p.is_some()).filter_map(|f| Some(f.estimate?.seeds));
    match (counts().min().unwrap_or(0), counts().max().unwrap_or(0)) {
        (least, most) if least == most => plural(most, "seed"),
        (least, most) => format!("{least} to {most} seeds"),
    }
}

fn different(study: &Study, finding: &Finding) -> String {
    let (Some((arm, partner)), Some(estimate)) = (arms(study, finding), finding.estimate) else {
        return String::new();
    };
    let size = points(study, estimate.value, decimals(study, &estimate));
    let verb = if finding.verdict == Verdict::Better { "beats" } else { "is worse than" };
    let evidence = of_finding(study, finding, study.findings.tested());
    format!(
        "{} {verb} {} by {size} ({evidence}){}.",
        arm.label,
        partner.label,
        small(study, finding)
    )
}

fn equal(study: &Study, finding: &Finding) -> String {
    let (Some((arm, partner)), Some(estimate)) = (arms(study, finding), finding.estimate) else {
        return String::new();
    };
    let found = signed_points(study, estimate.value, decimals(study, &estimate));
    let p = finding.p_equal_holm.map_or(String::new(), |p| adjusted(p, study.findings.tested()));
    format!(
        "{} and {} are equal within {} (difference {found}, {}, {p} of a larger difference).",
        arm.label,
        partner.label,
        margin(study),
        narrow(study, &estimate),
    )
}

fn unresolved(study: &Study, finding: &Finding) -> String {
    let Some((arm, partner)) = arms(study, finding) else { return String::new() };
    let needed = seeds_needed(study, finding);
    format!(
        "{} against {} is not resolved: {}{needed}.",
        arm.label,
        partner.label,
        could_be(study, finding)
    )
}

/// The observed and the possible difference: `+2.2 points seen, −1.6 to 6.0 possible (95 % CI, n =
/// 3 seeds, p = 0.12)`.
fn could_be(study: &Study, finding: &Finding) -> String {
    let Some(estimate) = finding.estimate else { return String::new() };
    let decimals = decimals(study, &estimate);
    let interval =
        estimate.interval().map_or(String::new(), |interval| range(study, interval, decimals));
    let p = adjusted_from(finding, study.findings.tested());
    format!(
        "{} seen, {interval} possible (95 % CI, n = {}, {p})",
        signed_points(study, estimate.value, decimals),
        plural(estimate.seeds, "seed")
    )
}

/// One sentence for many unresolved arms, with the evidence for the one with the smallest p-value.
fn many_unresolved(study: &Study, open: &[&Finding]) -> String {
    let common = common_partner(study, open);
    let name = |f: &&Finding| {
        let Some((arm, partner)) = arms(study, f) else { return String::new() };
        if common.is_some() {
            arm.label.clone()
        } else {
            format!("{} against {}", arm.label, partner.label)
        }
    };
    let names: Vec<String> = open.iter().map(name).collect();
    let against = common.map_or(String::new(), |partner| format!(" against {}", partner.label));
    format!(
        "Not resolved{against}: {}. Closest to significant: {} ({}){}.",
        shortened(&names, MOST_NAMES),
        name(&open[0]),
        could_be(study, open[0]),
        seeds_needed(study, open[0]),
    )
}

/// Pairs that could not be tested, with the reason.
fn untested(study: &Study) -> Vec<String> {
    let is_tested = |pair: &Pair| {
        let subject = Subject::Pair { arm: pair.arm, partner: pair.partner };
        study.findings.members.iter().any(|f| f.subject == subject && f.p.is_some())
    };
    let has_values = |i: usize| study.arms[i].sample.is_some();
    let without =
        study.pairs.iter().filter(|p| has_values(p.arm) && has_values(p.partner) && !is_tested(p));
    let (alike, few): (Vec<&Pair>, Vec<&Pair>) = without.partition(|pair| shared(pair) > 1);
    let (ties, alike): (Vec<&Pair>, Vec<&Pair>) = alike.into_iter().partition(|pair| is_tie(pair));
    let mut said = Vec::new();
    let mut say = |pairs: &[&Pair], why: &str| {
        said.extend((!pairs.is_empty()).then(|| format!("{}: {why}.", named(study, pairs))))
    };
    say(&ties, "a tie, the same value in every shared seed, which no test can be made of");
    say(&alike, "not tested, as the difference is the same in every shared seed");
    say(&few, "not tested, as fewer than two seeds are shared");
    said
}

fn shared(pair: &Pair) -> usize {
    pair.paired.map_or(0, |paired| paired.difference.n)
}

fn is_tie(pair: &Pair) -> bool {
    pair.paired.is_some_and(|paired| paired.difference.mean == 0.0)
}

/// Names pairs: `b against a, c against a`.
fn named(study: &Study, pairs: &[&Pair]) -> String {
    let name = |pair: &&Pair| {
        format!("{} against {}", study.arms[pair.arm].label, study.arms[pair.partner].label)
    };
    shortened(&pairs.iter().map(name).collect::<Vec<_>>(), MOST_NAMES)
}
