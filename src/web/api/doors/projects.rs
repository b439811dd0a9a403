//! Whose door is whose: keys, looked up and remembered for a few seconds, so that a changed key takes effect at once enough.

use crate::{intake::TagNames, store::StoreError, web::App};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a key that was looked up is believed.
const BELIEVED: Duration = Duration::from_secs(5);
/// How many projects are remembered; past that everything is forgotten and looked up again.
const REMEMBERED: usize = 1000;

/// What a door must know of a service.
#[derive(Debug)]
pub(super) struct Project {
    /// The service.
    pub(super) service: String,
    /// Its public key.
    pub(super) key: String,
    /// What its clients call things.
    pub(super) names: TagNames,
}

/// Projects that were looked up a moment ago, also those that do not exist.
#[derive(Debug, Default)]
pub(super) struct Projects(Mutex<HashMap<i64, (Instant, Option<Arc<Project>>)>>);

impl Projects {
    /// What was found a moment ago: a project, or that there is none.
    pub(super) fn remembered(&self, number: i64) -> Option<Option<Arc<Project>>> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.get(&number).filter(|(looked, _)| looked.elapsed() < BELIEVED).map(|(_, project)| project.clone())
    }

    fn remember(&self, number: i64, project: Option<Arc<Project>>) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= REMEMBERED {
            table.clear();
        }
        table.insert(number, (Instant::now(), project));
    }
}

/// Waits for the database where the project was not looked up lately.
pub(super) fn look_up(app: &App, number: i64) -> Result<Option<Arc<Project>>, StoreError> {
    if let Some(project) = app.doors.projects.remembered(number) {
        return Ok(project);
    }
    let found = app.store.read::<_, StoreError>(|read| read.service_by_project(number))?;
    let project = found.map(|it| {
        let names = serde_json::from_str(&it.tag_names).unwrap_or_else(|error| {
            tracing::warn!(%error, "a service's tag names cannot be read; the usual ones are used");
            TagNames::default()
        });
        Arc::new(Project { service: it.service, key: it.public_key, names })
    });
    app.doors.projects.remember(number, project.clone());
    Ok(project)
}
