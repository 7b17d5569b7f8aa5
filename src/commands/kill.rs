//! `planaria kill`: the death of actors, now.

use planaria_stages::Death;
use serde::Deserialize;

use super::{CommandError, answer_json, socket};
use crate::{
    cli::KillArgs,
    doors::{client::Client, control_protocol::KillOrder},
    views,
};

/// The answer to `kill`.
#[derive(Deserialize)]
struct Killed {
    killed: Vec<String>,
}

/// Kills actors of a runtime.
pub(super) fn kill(args: &KillArgs) -> Result<(), CommandError> {
    let mut client = Client::connect(&socket(&args.target.socket))?;
    let order = KillOrder { target: args.actor.clone(), how: Death::from(args.how) };
    let order = serde_json::to_value(order).map_err(std::io::Error::from)?;
    let answer = client.call("kill", order)?;
    if args.target.json {
        return answer_json(&answer);
    }
    let Killed { killed } = client.understand(answer)?;
    let text = match killed.len() {
        0 => "nobody was alive to be killed".into(),
        _ => format!("killed {}", killed.join(", ")),
    };
    Ok(views::answer(&text)?)
}
