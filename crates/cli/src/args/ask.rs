//! What a report is to ask: of `sweep`, `plan` and `report`.

use clap::Args;
use res2lab_lab::Question;

/// What a report asks of the arms, in place of what the experiment's file says.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Report")]
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
    /// As the library takes it.
    pub(crate) fn question(&self) -> Question {
        Question {
            text: self.question.clone(),
            baseline: self.baseline.clone(),
            compare: self.compare.clone(),
            margin: self.margin,
        }
    }
}
