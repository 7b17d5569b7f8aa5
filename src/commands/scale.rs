//! `planaria scale`: another number of workers for a stage, or for each what it needs, while it runs.

use planaria_stages::Scaled;
use serde::Serialize;

use super::{CommandError, answer_json, socket};
use crate::{
    cli::ScaleArgs,
    doors::{
        client::Client,
        control_protocol::{AutoscaleOrder, ScaleOrder},
    },
    views,
};

/// Scales a stage of a runtime, or lets the runtime do so.
pub(super) fn scale(args: &ScaleArgs) -> Result<(), CommandError> {
    match (args.stage.as_str(), args.workers) {
        ("auto", None) => automatic(args, true),
        ("manual", None) => automatic(args, false),
        (_, Some(workers)) => by_hand(args, workers),
        (_, None) => Err(CommandError::HowMany { stage: args.stage.clone() }),
    }
}

fn by_hand(args: &ScaleArgs, workers: u16) -> Result<(), CommandError> {
    let order = ScaleOrder { stage: args.stage.clone(), workers };
    ask(args, "scale", order, |Scaled { stage, from, to }| {
        format!("{stage}: {from} -> {to} workers")
    })
}

fn automatic(args: &ScaleArgs, on: bool) -> Result<(), CommandError> {
    ask(args, "autoscale", AutoscaleOrder { on }, |AutoscaleOrder { on }| match on {
        true => "workers move to the stage that is the bottleneck".into(),
        false => "pools keep the sizes that they have".into(),
    })
}

fn ask<T: serde::de::DeserializeOwned>(
    args: &ScaleArgs,
    method: &str,
    order: impl Serialize,
    words: impl Fn(T) -> String,
) -> Result<(), CommandError> {
    let mut client = Client::connect(&socket(&args.target.socket))?;
    let order = serde_json::to_value(order).map_err(std::io::Error::from)?;
    let answer = client.call(method, order)?;
    if args.target.json {
        return answer_json(&answer);
    }
    Ok(views::answer(&words(client.understand(answer)?))?)
}
