//! `planaria status`: what the running runtime is doing.

use serde_json::json;

use super::{CommandError, answer_json, socket};
use crate::{cli::StatusArgs, doors::client::Client, views};

/// Shows the status of a runtime.
pub(super) fn status(args: &StatusArgs) -> Result<(), CommandError> {
    let mut client = Client::connect(&socket(&args.target.socket))?;
    let answer = client.call("status", json!({}))?;
    if args.target.json {
        return answer_json(&answer);
    }
    let status = client.understand(answer)?;
    Ok(views::answer(&views::status::screen(&status, args.workers))?)
}
