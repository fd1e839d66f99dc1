//! Several sweeps on one page, and changes since an earlier command.

mod fixture;

use fixture::cases;
use res2lab_report::{Study, changes, together};
use res2lab_store::SweepRows;

/// A later run of the quickstart in which scale 8 lost about a point; all other values are
/// identical.
fn later() -> SweepRows {
    let mut rows = cases::quickstart();
    rows.plan.name = "later".into();
    for trial in rows.trials.iter_mut().filter(|t| t.planned.label == "scale=8") {
        let value = trial.result.as_mut().unwrap().metrics.get_mut("val/acc1").unwrap();
        *value -= 1.0 + 0.01 * trial.planned.spec.seed as f64;
    }
    rows
}

#[test]
fn sweeps_on_one_page_are_an_axis_and_same_arms_are_compared() {
    let rows = together(vec![cases::quickstart(), later()]);
    let study = Study::of(&rows);
    assert_eq!(study.axes.iter().map(|a| a.label.as_str()).collect::<Vec<_>>(), ["sweep", "scale"]);
    assert_eq!((study.arms.len(), study.arms[4].label.as_str()), (8, "sweep=later scale=2"));
    let found = changes::of(&study).unwrap();
    assert_eq!(found.before, "quickstart");
    let by: Vec<&str> = found.rows.iter().map(|row| row[5].as_str()).collect();
    assert_eq!(by[..3], ["the same to the bit"; 3]);
    assert!(by[3].starts_with("−1.01"), "{by:?}");
    let expected = "4 arms compared: 1 has changed (paired t-tests, Holm-adjusted p < 0.05); \
                    3 are the same to the bit in every shared seed.";
    assert_eq!(found.sentence, expected);
    let page = res2lab_report::render(&rows).unwrap();
    assert!(
        page.contains("Changes from quickstart")
            && page.contains("How do the sweeps quickstart and later compare?")
    );
}

#[test]
fn trials_of_two_sweeps_keep_names_of_their_own() {
    let rows = together(vec![cases::quickstart(), cases::quickstart()]);
    let ids: std::collections::HashSet<_> = rows.trials.iter().map(|t| &t.planned.id).collect();
    assert_eq!(ids.len(), 12, "the same sweep twice: its names cannot differ");
    let rows = together(vec![cases::quickstart(), later(), cases::grid()]);
    let ids: std::collections::HashSet<_> = rows.trials.iter().map(|t| &t.planned.id).collect();
    assert_eq!(ids.len(), rows.trials.len());
}

#[test]
fn the_last_command_that_found_something_else_is_what_is_looked_back_to() {
    let mut now = later();
    let before = cases::quickstart();
    assert!(changes::of(&Study::of(&now)).is_none(), "nothing to look back to");
    now.history = vec![
        changes::found(&Study::of(&before), 1_772_978_700.0),
        // The results that the page shows already; they must not be compared with themselves.
        changes::found(&Study::of(&now), 1_772_979_700.0),
    ];
    let found = changes::of(&Study::of(&now)).unwrap();
    assert_eq!((found.before.as_str(), found.rows.len()), ("2026-03-08 14:05 UTC", 1));
    assert_eq!((found.rows[0][0].as_str(), found.rows[0][2].as_str()), ("scale=8", "3"));
    now.history.remove(0);
    assert!(changes::of(&Study::of(&now)).is_none(), "nothing has changed");
}

#[test]
fn seeds_that_were_added_are_told_as_such() {
    let now = fixture::sweep("more", &[("scale", &["2", "4"])], &[0, 1, 2]);
    let mut before = now.clone();
    before.trials.retain(|t| t.planned.spec.seed < 2);
    let mut now = now;
    now.history = vec![changes::found(&Study::of(&before), 0.0)];
    let found = changes::of(&Study::of(&now)).unwrap();
    assert_eq!(found.sentence, "2 arms compared: all the same to the bit in every shared seed.");
    assert!(found.rows.iter().all(|row| (row[2].as_str(), row[4].as_str()) == ("2", "3")));
}
