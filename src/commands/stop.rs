//! `planaria stop`: what is accepted ends, and then the runtime.

use serde_json::json;
use std::time::Duration;

use super::{CommandError, answer_json, socket};
use crate::{cli::StopArgs, doors::client::Client, views};

/// Drains a runtime and waits for its end.
pub(super) fn stop(args: &StopArgs) -> Result<(), CommandError> {
    let mut client = Client::connect(&socket(&args.target.socket))?;
    client.call("stop", json!({}))?;
    // A wait of 0 would be no wait but an error of the socket.
    if !client.wait_for_end(Duration::from_millis(args.wait.max(1))) {
        return Err(CommandError::StillDraining { seconds: args.wait / 1000 });
    }
    if args.target.json {
        return answer_json(&json!({ "stopped": true }));
    }
    Ok(views::answer("the runtime has ended")?)
}
