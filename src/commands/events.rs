//! `planaria events`: what happened to actors and items.

use planaria_stages::EventPage;
use std::{thread::sleep, time::Duration};

use super::{CommandError, socket};
use crate::{
    cli::EventsArgs,
    doors::client::{Client, ClientError},
    views::{self, events},
};

/// How often a runtime that is followed is asked for more.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Shows the events of a runtime, and with `--follow` those to come.
pub(super) fn events(args: &EventsArgs) -> Result<(), CommandError> {
    let mut client = Client::connect(&socket(&args.target.socket))?;
    let mut since = args.since;
    loop {
        let page = match ask(&mut client, since) {
            // Whoever follows a runtime to its end has seen what there was to see.
            Err(ClientError::Ended { .. } | ClientError::Lost { .. }) if args.follow => {
                return Ok(());
            }
            page => page?,
        };
        if let Some(first) = page.events.first()
            && first.number > since
        {
            let forgotten = first.number - since;
            views::message(&format!("{forgotten} events are forgotten: ask sooner"));
        }
        for event in &page.events {
            let line = match args.target.json {
                true => serde_json::to_string(event).map_err(std::io::Error::from)?,
                false => events::line(event),
            };
            views::answer(&line)?;
        }
        since = page.next;
        if page.events.is_empty() {
            if !args.follow {
                return Ok(());
            }
            sleep(ASK_EVERY);
        }
    }
}

fn ask(client: &mut Client, since: u64) -> Result<EventPage, ClientError> {
    let answer = client.call("events", serde_json::json!({ "since": since }))?;
    client.understand(answer)
}
