//! `inspect`: what a data set holds, and what is wrong with it.

use super::{Failure, Made, Outcome, Work, json};
use crate::{commands::inspect, jobs::spec::Inspecting, views::data_page};

/// Looks at every item once.
pub(super) async fn inspect(work: &Work, job: Inspecting) -> Result<Outcome, Failure> {
    work.in_a_thread(move |_| {
        let card = inspect::card(&job.data, None).map_err(Failure::job)?;
        let page = data_page::page(&card).map_err(Failure::job)?;
        let files = vec![("card.html".to_owned(), page.into_bytes())];
        Ok(Some(Made { result: json(&card)?, files }))
    })
    .await
}
