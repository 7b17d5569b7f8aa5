//! `inspect`: what a data set holds, and what is wrong with it.

use super::{Failure, Made, Outcome, Work, json};
use crate::{commands::inspect, jobs::spec::Inspecting};

/// Looks at every item once.
pub(super) async fn inspect(work: &Work, job: Inspecting) -> Result<Outcome, Failure> {
    work.in_a_thread(move |_| {
        let label = job.label.as_deref().unwrap_or("label");
        let card = inspect::card(&job.data, label, None).map_err(Failure::job)?;
        let page = card.page().map_err(Failure::job)?;
        let files = vec![("card.html".to_owned(), page.into_bytes())];
        Ok(Some(Made { result: json(&card)?, files }))
    })
    .await
}
