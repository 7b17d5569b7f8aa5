//! `planaria check`: what a config would do, or everything that is wrong with it.

use serde_json::json;

use super::{CommandError, answer_json, checked_config};
use crate::{cli::CheckArgs, config::explain::explain, views};

/// Checks a config and explains it.
pub(super) fn check(args: &CheckArgs) -> Result<(), CommandError> {
    let explained = checked_config(&args.config, &args.overrides).and_then(|config| {
        let path = args.config.clone();
        explain(&config).map_err(|error| CommandError::Explain { path, source: error })
    });
    match explained {
        Ok(explanation) if args.json => answer_json(&explanation),
        Ok(explanation) => Ok(views::answer(&views::explanation::screen(&explanation))?),
        Err(CommandError::Config(faults)) if args.json => {
            answer_json(&json!({ "file": faults.file, "faults": faults.list }))?;
            Err(CommandError::ToldInJson)
        }
        Err(error) => Err(error),
    }
}
