//! `planaria chaos`: deaths at random, for a while.

use planaria_stages::ChaosPlan;

use super::{CommandError, answer_json, socket};
use crate::{cli::ChaosArgs, config::units, doors::client::Client, views};

/// Starts a chaos plan in a runtime.
pub(super) fn chaos(args: &ChaosArgs) -> Result<(), CommandError> {
    let mut client = Client::connect(&socket(&args.target.socket))?;
    let plan = ChaosPlan { kills: args.kills, every_ms: args.every, seed: args.seed };
    let plan = serde_json::to_value(plan).map_err(std::io::Error::from)?;
    let answer = client.call("chaos", plan)?;
    if args.target.json {
        return answer_json(&answer);
    }
    let text = format!(
        "{}, one every {}, seed {}: `planaria status` shows how many are left",
        views::counted(args.kills, "kill", "kills"),
        units::duration(args.every),
        args.seed
    );
    Ok(views::answer(&text)?)
}
