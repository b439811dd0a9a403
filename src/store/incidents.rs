//! Incidents with their postmortems' revisions and action items.

use super::{
    Read, StoreError, Tx, on_each,
    schema::{action_item, incident, revision},
};
use crate::domain::{
    Time,
    incident::{ItemKind, ItemState, Section, Severity, Status},
    time,
};
use diesel::prelude::*;
use std::collections::BTreeMap;

/// An incident, with where its postmortem stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Short name: `PM-14`.
    pub id: String,
    /// The number in it.
    pub number: i64,
    /// What happened, in one line.
    pub title: String,
    /// How bad it was.
    pub severity: Severity,
    /// The harmed service.
    pub service: String,
    /// Where.
    pub environment: String,
    /// The regression that it was opened from.
    pub regression: Option<String>,
    /// When it was opened.
    pub opened_at: Time,
    /// By whom.
    pub opened_by: String,
    /// Where the postmortem stands.
    pub status: Status,
    /// Who answers for the postmortem.
    pub owner: String,
    /// When it was last changed.
    pub changed_at: Time,
    /// The latest revision.
    pub revision: i64,
    /// Who reviewed it, and when.
    pub reviewed: Option<(String, Time)>,
    /// Who published it, and when.
    pub published: Option<(String, Time)>,
}

/// What people wrote, as it stood at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Counted from 1.
    pub number: i64,
    /// When.
    pub at: Time,
    /// By whom.
    pub actor: String,
    /// The title then.
    pub title: String,
    /// Markdown by section.
    pub sections: BTreeMap<Section, String>,
}

/// Something to be done, by one person, by a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionItem {
    /// Its id.
    pub id: String,
    /// The incident.
    pub incident: String,
    /// What is to be done.
    pub words: String,
    /// What it is for.
    pub kind: ItemKind,
    /// Who does it.
    pub owner: String,
    /// By when.
    pub due_at: Time,
    /// How we will know that it worked.
    pub proof: String,
    /// Where it stands.
    pub state: ItemState,
    /// When it was written down.
    pub created_at: Time,
    /// By whom.
    pub created_by: String,
    /// When it was done or dropped.
    pub ended_at: Option<Time>,
    /// By whom.
    pub ended_by: Option<String>,
    /// Why it was dropped, or what shows that it is done.
    pub ended_reason: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = incident, treat_none_as_default_value = false)]
struct IncidentRow {
    id: String,
    number: i64,
    title: String,
    severity: String,
    service: String,
    environment: String,
    regression: Option<String>,
    opened_at: i64,
    opened_by: String,
    status: String,
    owner: String,
    changed_at: i64,
    revision: i64,
    reviewed_by: Option<String>,
    reviewed_at: Option<i64>,
    published_by: Option<String>,
    published_at: Option<i64>,
}

impl TryFrom<IncidentRow> for Incident {
    type Error = StoreError;

    fn try_from(row: IncidentRow) -> Result<Incident, StoreError> {
        let by = |who: Option<String>, at: Option<i64>| Some((who?, time::from_micros(at?)));
        Ok(Incident {
            severity: Severity::parse(&row.severity)
                .ok_or_else(|| StoreError::Corrupt(format!("severity {}", row.severity)))?,
            status: Status::parse(&row.status).ok_or_else(|| StoreError::Corrupt(format!("status {}", row.status)))?,
            id: row.id,
            number: row.number,
            title: row.title,
            service: row.service,
            environment: row.environment,
            regression: row.regression,
            opened_at: time::from_micros(row.opened_at),
            opened_by: row.opened_by,
            owner: row.owner,
            changed_at: time::from_micros(row.changed_at),
            revision: row.revision,
            reviewed: by(row.reviewed_by, row.reviewed_at),
            published: by(row.published_by, row.published_at),
        })
    }
}

fn incident_row(it: &Incident) -> IncidentRow {
    IncidentRow {
        id: it.id.clone(),
        number: it.number,
        title: it.title.clone(),
        severity: it.severity.word().into(),
        service: it.service.clone(),
        environment: it.environment.clone(),
        regression: it.regression.clone(),
        opened_at: time::micros(it.opened_at),
        opened_by: it.opened_by.clone(),
        status: it.status.word().into(),
        owner: it.owner.clone(),
        changed_at: time::micros(it.changed_at),
        revision: it.revision,
        reviewed_by: it.reviewed.as_ref().map(|(who, _)| who.clone()),
        reviewed_at: it.reviewed.as_ref().map(|(_, at)| time::micros(*at)),
        published_by: it.published.as_ref().map(|(who, _)| who.clone()),
        published_at: it.published.as_ref().map(|(_, at)| time::micros(*at)),
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = action_item, treat_none_as_default_value = false)]
struct ItemRow {
    id: String,
    incident: String,
    words: String,
    kind: String,
    owner: String,
    due_at: i64,
    proof: String,
    state: String,
    created_at: i64,
    created_by: String,
    ended_at: Option<i64>,
    ended_by: Option<String>,
    ended_reason: Option<String>,
}

impl TryFrom<ItemRow> for ActionItem {
    type Error = StoreError;

    fn try_from(row: ItemRow) -> Result<ActionItem, StoreError> {
        Ok(ActionItem {
            kind: ItemKind::parse(&row.kind).ok_or_else(|| StoreError::Corrupt(format!("item kind {}", row.kind)))?,
            state: ItemState::parse(&row.state)
                .ok_or_else(|| StoreError::Corrupt(format!("item state {}", row.state)))?,
            id: row.id,
            incident: row.incident,
            words: row.words,
            owner: row.owner,
            due_at: time::from_micros(row.due_at),
            proof: row.proof,
            created_at: time::from_micros(row.created_at),
            created_by: row.created_by,
            ended_at: row.ended_at.map(time::from_micros),
            ended_by: row.ended_by,
            ended_reason: row.ended_reason,
        })
    }
}

type RevisionColumns = (i64, i64, String, String, String);

fn as_revision((number, at, actor, title, sections): RevisionColumns) -> Result<Revision, StoreError> {
    let by_word: BTreeMap<String, String> =
        serde_json::from_str(&sections).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let sections = by_word.into_iter().filter_map(|(word, text)| Some((Section::parse(&word)?, text))).collect();
    Ok(Revision { number, at: time::from_micros(at), actor, title, sections })
}

impl Read<'_> {
    /// Incidents, newest first.
    pub fn incidents(&mut self, limit: i64) -> Result<Vec<Incident>, StoreError> {
        let rows: Vec<IncidentRow> = on_each!(self.db, c => incident::table
            .select(IncidentRow::as_select())
            .order(incident::number.desc())
            .limit(limit)
            .load(c))?;
        rows.into_iter().map(Incident::try_from).collect()
    }

    /// Incidents opened from a regression, oldest first.
    pub fn incidents_of(&mut self, regression: &str) -> Result<Vec<Incident>, StoreError> {
        let rows: Vec<IncidentRow> = on_each!(self.db, c => incident::table
            .filter(incident::regression.eq(regression))
            .select(IncidentRow::as_select())
            .order(incident::number.asc())
            .load(c))?;
        rows.into_iter().map(Incident::try_from).collect()
    }

    /// One incident.
    pub fn incident(&mut self, id: &str) -> Result<Option<Incident>, StoreError> {
        let row: Option<IncidentRow> =
            on_each!(self.db, c => incident::table.find(id).select(IncidentRow::as_select()).first(c).optional())?;
        row.map(Incident::try_from).transpose()
    }

    /// The revisions of a postmortem, oldest first.
    pub fn revisions(&mut self, id: &str) -> Result<Vec<Revision>, StoreError> {
        let rows: Vec<RevisionColumns> = on_each!(self.db, c => revision::table
            .filter(revision::incident.eq(id))
            .order(revision::number.asc())
            .select((revision::number, revision::at, revision::actor, revision::title, revision::sections))
            .load(c))?;
        rows.into_iter().map(as_revision).collect()
    }

    /// One revision of a postmortem.
    pub fn revision(&mut self, id: &str, number: i64) -> Result<Option<Revision>, StoreError> {
        let row: Option<RevisionColumns> = on_each!(self.db, c => revision::table
            .find((id, number))
            .select((revision::number, revision::at, revision::actor, revision::title, revision::sections))
            .first(c)
            .optional())?;
        row.map(as_revision).transpose()
    }

    /// The action items of an incident, oldest first.
    pub fn action_items(&mut self, id: &str) -> Result<Vec<ActionItem>, StoreError> {
        let rows: Vec<ItemRow> = on_each!(self.db, c => action_item::table
            .filter(action_item::incident.eq(id))
            .order((action_item::created_at.asc(), action_item::id.asc()))
            .select(ItemRow::as_select())
            .load(c))?;
        rows.into_iter().map(ActionItem::try_from).collect()
    }

    /// One action item.
    pub fn action_item(&mut self, id: &str) -> Result<Option<ActionItem>, StoreError> {
        let row: Option<ItemRow> =
            on_each!(self.db, c => action_item::table.find(id).select(ItemRow::as_select()).first(c).optional())?;
        row.map(ActionItem::try_from).transpose()
    }

    /// Every open action item, the one due first at the front.
    pub fn open_action_items(&mut self) -> Result<Vec<ActionItem>, StoreError> {
        let rows: Vec<ItemRow> = on_each!(self.db, c => action_item::table
            .filter(action_item::state.eq(ItemState::Open.word()))
            .order(action_item::due_at.asc())
            .select(ItemRow::as_select())
            .load(c))?;
        rows.into_iter().map(ActionItem::try_from).collect()
    }
}

impl Tx<'_> {
    /// The number of the next incident.
    pub fn next_incident(&mut self) -> Result<i64, StoreError> {
        let last: Option<i64> =
            on_each!(self.db, c => incident::table.select(diesel::dsl::max(incident::number)).first(c))?;
        Ok(last.unwrap_or(0) + 1)
    }

    /// Opens an incident.
    pub fn add_incident(&mut self, it: &Incident) -> Result<(), StoreError> {
        on_each!(self.db, c => diesel::insert_into(incident::table).values(&incident_row(it)).execute(c))?;
        Ok(())
    }

    /// Keeps an incident's new state, if revision and status are still what they were `before`; otherwise nothing changes
    /// and false comes back.
    pub fn change_incident(&mut self, before: &Incident, it: &Incident) -> Result<bool, StoreError> {
        let row = incident_row(it);
        let changes = (
            incident::title.eq(row.title),
            incident::severity.eq(row.severity),
            incident::status.eq(row.status),
            incident::owner.eq(row.owner),
            incident::changed_at.eq(row.changed_at),
            incident::revision.eq(row.revision),
            incident::reviewed_by.eq(row.reviewed_by),
            incident::reviewed_at.eq(row.reviewed_at),
            incident::published_by.eq(row.published_by),
            incident::published_at.eq(row.published_at),
        );
        let changed = on_each!(self.db, c => diesel::update(incident::table
                .find(&it.id)
                .filter(incident::revision.eq(before.revision))
                .filter(incident::status.eq(before.status.word())))
            .set(changes)
            .execute(c))?;
        Ok(changed == 1)
    }

    /// Keeps a revision of a postmortem.
    pub fn add_revision(&mut self, id: &str, it: &Revision) -> Result<(), StoreError> {
        let by_word: BTreeMap<&str, &String> =
            it.sections.iter().map(|(section, text)| (section.word(), text)).collect();
        let row = (
            revision::incident.eq(id),
            revision::number.eq(it.number),
            revision::at.eq(time::micros(it.at)),
            revision::actor.eq(&it.actor),
            revision::title.eq(&it.title),
            revision::sections.eq(serde_json::json!(by_word).to_string()),
        );
        on_each!(self.db, c => diesel::insert_into(revision::table).values(row).execute(c))?;
        Ok(())
    }

    /// Keeps an action item.
    pub fn add_action_item(&mut self, it: &ActionItem) -> Result<(), StoreError> {
        let row = ItemRow {
            id: it.id.clone(),
            incident: it.incident.clone(),
            words: it.words.clone(),
            kind: it.kind.word().into(),
            owner: it.owner.clone(),
            due_at: time::micros(it.due_at),
            proof: it.proof.clone(),
            state: it.state.word().into(),
            created_at: time::micros(it.created_at),
            created_by: it.created_by.clone(),
            ended_at: it.ended_at.map(time::micros),
            ended_by: it.ended_by.clone(),
            ended_reason: it.ended_reason.clone(),
        };
        on_each!(self.db, c => diesel::insert_into(action_item::table).values(&row).execute(c))?;
        Ok(())
    }

    /// Ends an open action item, as done or dropped.
    pub fn end_action_item(
        &mut self,
        id: &str,
        state: ItemState,
        at: Time,
        by: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        let changes = (
            action_item::state.eq(state.word()),
            action_item::ended_at.eq(Some(time::micros(at))),
            action_item::ended_by.eq(Some(by)),
            action_item::ended_reason.eq(Some(reason)),
        );
        let changed = on_each!(self.db, c => diesel::update(action_item::table.find(id).filter(action_item::state.eq(ItemState::Open.word())))
            .set(changes)
            .execute(c))?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}
