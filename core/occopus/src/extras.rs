//! Extras: resources with the tags of an infrastructure that its records do not account for. They are told where
//! a plan is asked for, and never touched by it.

use occopus_engine::handler::{Found, Place};
use occopus_engine::journal::read_all;
use occopus_engine::observe::find;
use occopus_engine::plan::{Note, Situation};
use occopus_engine::record::Attempt;
use occopus_engine::store::Table;

use crate::Occopus;
use crate::error::Error;

impl Occopus {
    /// A remark for each extra resource of the infrastructure of `situation`. Each of its places is asked once; of one
    /// that cannot be asked nothing is told, because its instances are unknown in the plan already.
    pub(crate) async fn extras(&self, situation: &Situation) -> Result<Vec<Note>, Error> {
        let infra = &situation.record.id;
        let store = self.engine.store.as_ref();
        let places: Vec<(String, Place)> = read_all(store, Table::Place, infra.as_str()).await?;
        let asked = places.iter().map(|(_, place)| find(&self.engine, place));
        let mut listed: Vec<Found> = Vec::new();
        for answer in futures::future::join_all(asked).await {
            match answer {
                Ok(found) => listed.extend(found.into_iter().filter(|found| found.identity.infra == *infra)),
                Err(error) => tracing::debug!(%infra, %error, "could not look for extra resources"),
            }
        }
        // Read again, because of what was created since the situation was seen.
        let now: Vec<(String, Attempt)> = read_all(store, Table::Attempt, infra.as_str()).await?;
        let before = situation.instances.iter().map(|instance| &instance.attempt);
        let known: Vec<&Attempt> = before
            .chain(now.iter().map(|(_, attempt)| attempt).filter(|attempt| !attempt.is_closed()))
            .collect();
        Ok(remarks(listed, &known, &situation.late))
    }
}

/// Remarks on what is neither known nor planned to be dealt with. Pure.
fn remarks(mut listed: Vec<Found>, known: &[&Attempt], late: &[Found]) -> Vec<Note> {
    listed.retain(|found| {
        !known.iter().any(|attempt| attempt.is_of(found))
            && !late.iter().any(|late| late.provider_id == found.provider_id)
    });
    // Two accounts may see the same resource.
    listed.sort_by(|a, b| a.provider_id.cmp(&b.provider_id));
    listed.dedup_by(|a, b| a.provider_id == b.provider_id);
    let remark = |found: Found| Note::Warning {
        text: format!(
            "extra: {} has the tags of {} and belongs to nothing known; what to do about it: occopus orphans",
            found.provider_id, found.identity.slot
        ),
    };
    listed.into_iter().map(remark).collect()
}
