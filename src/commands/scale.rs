//! `planaria scale`: another number of workers for a stage, while it runs.

use planaria_stages::Scaled;

use super::{CommandError, answer_json, socket};
use crate::{
    cli::ScaleArgs,
    doors::{client::Client, control_protocol::ScaleOrder},
    views,
};

/// Scales a stage of a runtime.
pub(super) fn scale(args: &ScaleArgs) -> Result<(), CommandError> {
    let mut client = Client::connect(&socket(&args.target.socket))?;
    let order = ScaleOrder { stage: args.stage.clone(), workers: args.workers };
    let order = serde_json::to_value(order).map_err(std::io::Error::from)?;
    let answer = client.call("scale", order)?;
    if args.target.json {
        return answer_json(&answer);
    }
    let Scaled { stage, from, to } = client.understand(answer)?;
    Ok(views::answer(&format!("{stage}: {from} -> {to} workers"))?)
}
