//! Orphans: resources at our back-ends with our tags that belong to nothing we know.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use futures::stream;
use occopus_engine::control::{rename_listed, vacancy};
use occopus_engine::enact::Enacted;
use occopus_engine::handler::{Found, HandlerError, Listed, Place};
use occopus_engine::ids::InfraId;
use occopus_engine::journal::{generation_key, read, read_all};
use occopus_engine::observe::find_all;
use occopus_engine::record::{Attempt, Generation, Goal, InfraRecord, Outcome, Phase};
use occopus_engine::store::Table;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::Occopus;
use crate::error::Error;
use crate::request::Run;

/// Places that are asked at the same time.
const PLACES_AT_ONCE: usize = 16;

/// Everything with tags of Occopus that belongs to nothing known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Orphans {
    /// What carries the tags of this store.
    pub ours: Vec<Orphan>,
    /// What carries the tags of another store; never touched.
    pub foreign: Vec<Orphan>,
    /// Places that could not be asked: there may be more.
    pub unasked: Vec<Unasked>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Where it is.
    pub place: Place,
    /// Who its tags say it is, how to act on it, its state and age.
    pub listed: Listed,
    /// Name of its infrastructure, if that is known.
    pub infra_name: Option<String>,
    /// Why it is none of ours, in words.
    pub reason: String,
    /// Whether its slot is there and empty, so that it can be taken back.
    pub adoptable: bool,
    /// Commands that make order, the best one first; none for what is foreign.
    pub next: Vec<String>,
}

/// As the front ends show it: one flat object.
impl Serialize for Orphan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let found = &self.listed.found;
        let object = json!({
            "place": self.place,
            "provider_id": found.provider_id.id,
            "store": found.identity.store,
            "infra_id": found.identity.infra,
            "infra_name": self.infra_name,
            "slot": found.identity.slot,
            "node_id": found.identity.node_id,
            "state": found.state,
            "created_at": self.listed.created_at,
            "reason": self.reason,
            "adoptable": self.adoptable,
            "next": self.next,
        });
        object.serialize(serializer)
    }
}

/// A place that could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unasked {
    /// The place.
    pub place: Place,
    /// Why.
    pub reason: String,
}

/// What is on record about one infrastructure.
struct Book {
    record: InfraRecord,
    generation: Option<Generation>,
    attempts: Vec<Attempt>,
}

/// All that is on record.
struct Library {
    books: BTreeMap<InfraId, Book>,
    places: BTreeSet<Place>,
}

impl Occopus {
    /// Looks for resources that belong to nothing known, at all places that any infrastructure ever used.
    /// Changes nothing.
    pub async fn orphans(&self) -> Result<Orphans, Error> {
        // What is created meanwhile is in the records that are read later, what is destroyed in the earlier.
        let before = self.library().await?;
        let answers: Vec<(Place, Result<Vec<Listed>, HandlerError>)> = stream::iter(before.places.clone())
            .map(|place| async {
                let found = find_all(&self.engine, &place).await;
                (place, found)
            })
            .buffer_unordered(PLACES_AT_ONCE)
            .collect()
            .await;
        let after = self.library().await?;
        let mut orphans = Orphans::default();
        let mut told = BTreeSet::new();
        for (place, answer) in answers {
            let listed = match answer {
                Ok(listed) => listed,
                Err(error) => {
                    let reason = self.redactor().string(error.message);
                    orphans.unasked.push(Unasked { place, reason });
                    continue;
                }
            };
            for listed in listed {
                let found = &listed.found;
                // Two accounts may see the same resource.
                let key = (place.endpoint.clone(), place.region.clone(), found.provider_id.clone());
                let is_known = before.knows(found) || after.knows(found);
                if is_known || !told.insert(key) {
                    continue;
                }
                if found.identity.store == *self.engine.store.id() {
                    orphans.ours.push(after.describe(&place, listed));
                } else {
                    orphans.foreign.push(foreign(&place, listed));
                }
            }
        }
        let by_identity = |orphan: &Orphan| {
            let identity = &orphan.listed.found.identity;
            (identity.infra.clone(), identity.slot.clone(), orphan.listed.found.provider_id.clone())
        };
        orphans.ours.sort_by_key(by_identity);
        orphans.foreign.sort_by_key(by_identity);
        orphans.unasked.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(orphans)
    }

    /// Takes the orphan meant by `text` back into its slot: a provider id, a unique prefix of one, or
    /// INFRA/SLOT. The next pass looks at it.
    ///
    /// # Errors
    /// If there is no such orphan, or no empty slot for it; the message says what to do instead.
    pub async fn adopt(&self, text: &str, run: &Run) -> Result<(InfraId, Attempt), Error> {
        let orphan = self.orphans().await?.pick(text)?;
        let identity = &orphan.listed.found.identity;
        if !orphan.adoptable {
            return Err(Error::Usage(format!(
                "{} ({}) is not taken back: {}; use `{}`",
                orphan.listed.found.provider_id,
                identity.slot,
                orphan.reason,
                orphan.next.join("` or `")
            )));
        }
        self.told(async {
            let controller = self.controller(&identity.infra, run).await?;
            let attempt = controller.adopt(&orphan.listed, &orphan.place).await?;
            controller.close().await?;
            Ok((identity.infra.clone(), attempt))
        })
        .await
    }

    /// Destroys `orphan`, and nothing else.
    ///
    /// # Errors
    /// If it is protected, or if it has become an instance of its infrastructure meanwhile.
    pub async fn remove_orphan(&self, orphan: &Orphan, run: &Run) -> Result<Enacted, Error> {
        let found = &orphan.listed.found;
        self.told(async {
            let controller = self.controller(&found.identity.infra, run).await?;
            let enacted = controller.remove_orphan(found, &orphan.place).await?;
            controller.close().await?;
            Ok(enacted)
        })
        .await
    }

    async fn library(&self) -> Result<Library, Error> {
        let store = self.engine.store.as_ref();
        let mut library = Library { books: BTreeMap::new(), places: BTreeSet::new() };
        // Places of infrastructures that are forgotten have no scope.
        let former: Vec<(String, Place)> = read_all(store, Table::Place, "").await?;
        library.places.extend(former.into_iter().map(|(_, place)| place));
        for record in self.records().await? {
            let infra = record.id.clone();
            let places: Vec<(String, Place)> = read_all(store, Table::Place, infra.as_str()).await?;
            library.places.extend(places.into_iter().map(|(_, place)| place));
            let attempts: Vec<(String, Attempt)> = read_all(store, Table::Attempt, infra.as_str()).await?;
            let attempts = attempts.into_iter().map(|(_, attempt)| attempt).collect();
            let generation = read(store, &generation_key(&infra, record.generation)).await?;
            library.books.insert(infra, Book { record, generation, attempts });
        }
        Ok(library)
    }
}

impl Library {
    /// Whether somebody looks after `found`.
    fn knows(&self, found: &Found) -> bool {
        self.books.get(&found.identity.infra).is_some_and(|book| {
            book.record.closed_at.is_none()
                && book.attempts.iter().any(|attempt| attempt.is_of(found) && !attempt.is_closed())
        })
    }

    fn describe(&self, place: &Place, mut listed: Listed) -> Orphan {
        let book = self.books.get(&listed.found.identity.infra);
        if let Some(book) = book {
            rename_listed(&book.record, &book.attempts, &mut listed);
        }
        let (reason, remedy) = judge(book, place, &listed.found);
        let id = &listed.found.provider_id;
        let infra = &listed.found.identity.infra;
        let next = match remedy {
            Remedy::Adopt => vec![format!("occopus adopt {id}"), format!("occopus orphans --remove {id}")],
            Remedy::Maintain => vec![format!("occopus maintain {infra}")],
            Remedy::Destroy => vec![format!("occopus destroy {infra}")],
            Remedy::Remove => vec![format!("occopus orphans --remove {id}")],
        };
        Orphan {
            place: place.clone(),
            listed,
            infra_name: book.map(|book| book.record.name.clone()),
            reason,
            adoptable: remedy == Remedy::Adopt,
            next,
        }
    }
}

fn foreign(place: &Place, listed: Listed) -> Orphan {
    let reason = format!("it belongs to store {}", listed.found.identity.store);
    Orphan { place: place.clone(), listed, infra_name: None, reason, adoptable: false, next: Vec::new() }
}

/// What makes order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// It can be taken back, or removed.
    Adopt,
    /// The next pass sees to it.
    Maintain,
    /// So does the destroy of its infrastructure that was begun.
    Destroy,
    /// It can only be removed.
    Remove,
}

/// Why nobody looks after `found`, and what to do about it. Pure.
fn judge(book: Option<&Book>, place: &Place, found: &Found) -> (String, Remedy) {
    let identity = &found.identity;
    let Some(Book { record, generation, attempts }) = book else {
        return (format!("this store knows no infrastructure '{}'", identity.infra), Remedy::Remove);
    };
    let known = attempts.iter().find(|attempt| attempt.id == identity.attempt);
    let name = &record.name;
    if record.closed_at.is_some() {
        let text = match known {
            Some(attempt) if !attempt.is_closed() => "its removal was begun and did not end".to_owned(),
            _ => format!("'{name}' was destroyed"),
        };
        return (text, Remedy::Remove);
    }
    if record.goal == Goal::Absent {
        return (format!("'{name}' is being destroyed and has no record of it"), Remedy::Destroy);
    }
    match known {
        Some(attempt) if !attempt.is_closed() => {
            return (format!("a second resource with the tags of {}", identity.slot), Remedy::Remove);
        }
        Some(attempt) if !matches!(attempt.phase, Phase::Closed { outcome: Outcome::Refused { .. }, .. }) => {
            return (format!("it appeared after it was {}", attempt.word()), Remedy::Maintain);
        }
        _ => {}
    }
    let Some(generation) = generation else {
        return (format!("the description of '{name}' is missing"), Remedy::Remove);
    };
    match vacancy((record, generation), attempts, identity, place) {
        Ok(_) => (format!("'{name}' has no record of it, and {} is empty", identity.slot), Remedy::Adopt),
        Err(why) => (why, Remedy::Remove),
    }
}

impl Orphans {
    /// The orphan of this store that is meant by `text`: a provider id, a unique prefix of one, or
    /// INFRA/SLOT with the id, a prefix of it or the name of an infrastructure.
    ///
    /// # Errors
    /// If none or several are meant, or one of another store.
    pub fn pick(self, text: &str) -> Result<Orphan, Error> {
        let is_exact = |orphan: &Orphan| orphan.listed.found.provider_id.id == text;
        let is_meant = |orphan: &Orphan| !text.is_empty() && orphan.is_meant_by(text);
        let doubt = self.doubt();
        let (exact, rest): (Vec<Orphan>, Vec<Orphan>) = self.ours.into_iter().partition(is_exact);
        let mut meant = if exact.is_empty() { rest.into_iter().filter(is_meant).collect() } else { exact };
        match meant.len() {
            1 => Ok(meant.remove(0)),
            0 => Err(Error::Usage(match self.foreign.iter().find(|orphan| is_meant(orphan)) {
                Some(foreign) => format!(
                    "{} belongs to another store ({}) and is left alone; whoever has that store can look after it",
                    foreign.listed.found.provider_id, foreign.listed.found.identity.store
                ),
                None => format!("no orphan '{text}'; `occopus orphans` lists what there is{doubt}"),
            })),
            _ => {
                let ids: Vec<String> =
                    meant.iter().map(|orphan| orphan.listed.found.provider_id.to_string()).collect();
                Err(Error::Usage(format!("'{text}' is ambiguous: {}", ids.join(", "))))
            }
        }
    }
}

impl Orphans {
    /// How far the list can be trusted, as the end of a sentence.
    fn doubt(&self) -> String {
        match self.unasked.len() {
            0 => String::new(),
            1 => ", but for one place that could not be asked".to_owned(),
            count => format!(", but for {count} places that could not be asked"),
        }
    }
}

impl Orphan {
    fn is_meant_by(&self, text: &str) -> bool {
        let Found { identity, provider_id, .. } = &self.listed.found;
        let infra = text.strip_suffix(&identity.slot.to_string()).and_then(|rest| rest.strip_suffix('/'));
        let by_slot = infra.is_some_and(|infra| {
            !infra.is_empty()
                && (identity.infra.as_str().starts_with(infra) || self.infra_name.as_deref() == Some(infra))
        });
        by_slot || provider_id.id.starts_with(text)
    }
}
