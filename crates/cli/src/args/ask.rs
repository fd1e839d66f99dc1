//! What a report is to ask: of `sweep`, `plan` and `report`.

use clap::Args;

/// What a report asks of the arms, in place of what the experiment's file says.
#[derive(Args, Clone, Debug)]
pub(crate) struct AskArgs {
    /// The question that the report stands under
    #[arg(long, value_name = "TEXT")]
    pub question: Option<String>,
    /// The arm that all others are compared with: --baseline scale=2
    #[arg(long, value_name = "ARM")]
    pub baseline: Option<String>,
    /// Two arms that are compared, the second being the reference; may be given several times
    #[arg(long, num_args = 2, value_names = ["ARM", "ARM"], action = clap::ArgAction::Append)]
    pub compare: Vec<String>,
    /// Arms nearer to each other than this are equal (default: 0.5)
    #[arg(long, value_name = "POINTS")]
    pub margin: Option<f64>,
}

impl AskArgs {
    /// The plan with what is asked.
    pub(crate) fn put_into(
        &self,
        plan: &mut res2lab_store::Plan,
    ) -> Result<(), res2lab_experiment::SpecError> {
        if let Some(question) = &self.question {
            plan.description.clone_from(question);
        }
        let trials = plan.trials.iter().chain(&plan.earlier);
        let same =
            trials.clone().flat_map(|t| t.same_as.iter().map(|label| (label.as_str(), &[][..])));
        let arms = trials.map(|t| (t.label.as_str(), &t.coordinates[..])).chain(same);
        let asked = plan.contrasts.clone().asked(
            self.baseline.as_deref(),
            self.margin,
            &self.compare,
            arms,
        )?;
        plan.contrasts = asked;
        Ok(())
    }
}
