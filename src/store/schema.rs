//! The one schema for both engines, in types that both have. Kept by hand; a test holds it to the migrations.
#![allow(missing_docs)]

use diesel::{allow_tables_to_appear_in_same_query, table};

mod counts;

pub use counts::{crash_minute, crash_ten_minutes, outcome, signature_hour};

table! {
    person (id) {
        id -> Text,
        email -> Text,
        name -> Text,
        team -> Nullable<Text>,
        role -> Text,
        password_hash -> Nullable<Text>,
        auth_epoch -> BigInt,
        created_at -> BigInt,
        disabled_at -> Nullable<BigInt>,
    }
}

table! {
    session (token_hash) {
        token_hash -> Binary,
        person -> Text,
        csrf -> Text,
        auth_epoch -> BigInt,
        created_at -> BigInt,
        seen_at -> BigInt,
        expires_at -> BigInt,
    }
}

table! {
    invitation (token_hash) {
        token_hash -> Binary,
        person -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

table! {
    token (id) {
        id -> Text,
        name -> Text,
        token_hash -> Binary,
        prefix -> Text,
        scopes -> Text,
        created_by -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

table! {
    pair_report (service, id) {
        service -> Text,
        id -> Text,
        release -> Text,
        peer_release -> Text,
        verdict -> Text,
        at -> BigInt,
        actor -> Text,
        note -> Nullable<Text>,
        url -> Nullable<Text>,
    }
}

table! {
    service (slug) {
        slug -> Text,
        project -> BigInt,
        public_key -> Text,
        name -> Nullable<Text>,
        team -> Nullable<Text>,
        owner -> Nullable<Text>,
        depends_on -> Text,
        tag_names -> Text,
        created_at -> BigInt,
        policy -> Text,
    }
}

table! {
    declaration (service, hash) {
        service -> Text,
        hash -> Binary,
        received_at -> BigInt,
        body -> Text,
    }
}

table! {
    push (service, id) {
        service -> Text,
        id -> Text,
        environment -> Text,
        release -> Text,
        previous -> Nullable<Text>,
        kind -> Text,
        actor -> Text,
        at -> BigInt,
        received_at -> BigInt,
        hash -> Binary,
        body -> Text,
        state -> Text,
        percent -> Double,
        since -> Nullable<BigInt>,
        bad_at -> Nullable<BigInt>,
        bad_by -> Nullable<Text>,
        bad_reason -> Nullable<Text>,
    }
}

table! {
    push_step (service, push, hash) {
        service -> Text,
        push -> Text,
        hash -> Binary,
        at -> BigInt,
        received_at -> BigInt,
        actor -> Text,
        action -> Text,
        percent -> Nullable<Double>,
        body -> Text,
    }
}

table! {
    flag_change (service, change) {
        service -> Text,
        change -> Text,
        environment -> Text,
        flag -> Text,
        at -> BigInt,
        received_at -> BigInt,
        actor -> Text,
        hash -> Binary,
        body -> Text,
    }
}

table! {
    exposure (service, environment, at, hash) {
        service -> Text,
        environment -> Text,
        at -> BigInt,
        hash -> Binary,
        release -> Text,
        cell -> Text,
        received_at -> BigInt,
        seconds -> Double,
        instances -> Double,
        sessions -> Nullable<Double>,
        rest -> Nullable<Text>,
    }
}

table! {
    dictionary (number) {
        number -> BigInt,
        trained_at -> BigInt,
        reports -> BigInt,
        body -> Binary,
    }
}

table! {
    signature (service, title) {
        service -> Text,
        title -> Text,
        number -> BigInt,
        first_at -> BigInt,
        last_at -> BigInt,
        crashes -> BigInt,
        handled -> BigInt,
        clients -> BigInt,
        last_id -> Text,
    }
}

table! {
    report (number) {
        number -> BigInt,
        service -> Text,
        id -> Text,
        environment -> Text,
        release -> Nullable<Text>,
        cell -> Text,
        host -> Nullable<Text>,
        peer_release -> Nullable<Text>,
        at -> BigInt,
        received_at -> BigInt,
        signature -> BigInt,
        clients_dropped -> Nullable<BigInt>,
        standing -> Text,
        hash -> Binary,
        dictionary -> BigInt,
        body -> Binary,
        slot -> Nullable<BigInt>,
    }
}

table! {
    report_block (service, block) {
        service -> Text,
        block -> Binary,
        first_at -> BigInt,
        last_at -> BigInt,
        first_received -> BigInt,
        last_received -> BigInt,
        reports -> BigInt,
        body -> Binary,
    }
}

table! {
    arrived (service, node, number) {
        service -> Text,
        node -> BigInt,
        number -> BigInt,
        door -> Text,
        first_at -> BigInt,
        last_at -> BigInt,
        first_received -> BigInt,
        last_received -> BigInt,
        reports -> BigInt,
        body -> Binary,
    }
}

table! {
    counted (service, id) {
        service -> Text,
        id -> BigInt,
        report -> Nullable<BigInt>,
    }
}

table! {
    note (hash) {
        hash -> Binary,
        service -> Nullable<Text>,
        push -> Nullable<Text>,
        at -> BigInt,
        received_at -> BigInt,
        actor -> Text,
        body -> Text,
    }
}

table! {
    hold (id) {
        id -> Text,
        service -> Text,
        push -> Text,
        at -> BigInt,
        actor -> Text,
        reason -> Text,
        lifted_at -> Nullable<BigInt>,
        lifted_by -> Nullable<Text>,
        lifted_reason -> Nullable<Text>,
    }
}

table! {
    gate_asked (id) {
        id -> Text,
        service -> Text,
        push -> Text,
        at -> BigInt,
        actor -> Text,
        decision -> Text,
        reasons -> Text,
    }
}

table! {
    sighting (regression, person) {
        regression -> Text,
        person -> Text,
        first_at -> BigInt,
        last_at -> BigInt,
        times -> BigInt,
    }
}

table! {
    reply (id) {
        id -> Text,
        service -> Text,
        push -> Text,
        step_at -> BigInt,
        person -> Text,
        at -> BigInt,
        words -> Text,
    }
}

table! {
    regression (id) {
        id -> Text,
        number -> BigInt,
        key -> Text,
        service -> Text,
        environment -> Text,
        kind -> Text,
        onset_at -> BigInt,
        detected_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        ended_because -> Nullable<Text>,
        withdrawn_at -> Nullable<BigInt>,
        blamed_kind -> Nullable<Text>,
        blamed_id -> Nullable<Text>,
        said_at -> BigInt,
        body -> Text,
        evidence -> Text,
        risk_owner -> Nullable<Text>,
        risk_closed_at -> Nullable<BigInt>,
        risk_closed_by -> Nullable<Text>,
        risk_reason -> Nullable<Text>,
    }
}

table! {
    said (regression, number) {
        regression -> Text,
        number -> BigInt,
        at -> BigInt,
        body -> Text,
    }
}

table! {
    continuation (regression, subject, step_at) {
        regression -> Text,
        subject -> Text,
        step_at -> BigInt,
        service -> Text,
        environment -> Text,
        kind -> Text,
        actor -> Text,
        known -> Text,
        counted -> BigInt,
        body -> Text,
    }
}

table! {
    incident (id) {
        id -> Text,
        number -> BigInt,
        title -> Text,
        severity -> Text,
        service -> Text,
        environment -> Text,
        regression -> Nullable<Text>,
        opened_at -> BigInt,
        opened_by -> Text,
        status -> Text,
        owner -> Text,
        changed_at -> BigInt,
        revision -> BigInt,
        reviewed_by -> Nullable<Text>,
        reviewed_at -> Nullable<BigInt>,
        published_by -> Nullable<Text>,
        published_at -> Nullable<BigInt>,
    }
}

table! {
    revision (incident, number) {
        incident -> Text,
        number -> BigInt,
        at -> BigInt,
        actor -> Text,
        title -> Text,
        sections -> Text,
    }
}

table! {
    action_item (id) {
        id -> Text,
        incident -> Text,
        words -> Text,
        kind -> Text,
        owner -> Text,
        due_at -> BigInt,
        proof -> Text,
        state -> Text,
        created_at -> BigInt,
        created_by -> Text,
        ended_at -> Nullable<BigInt>,
        ended_by -> Nullable<Text>,
        ended_reason -> Nullable<Text>,
    }
}

table! {
    ledger_entry (seq) {
        seq -> BigInt,
        at -> BigInt,
        kind -> Text,
        actor -> Text,
        auth -> Text,
        subject -> Text,
        commitment -> Binary,
        leaf_hash -> Binary,
        payload -> Nullable<Text>,
        salt -> Nullable<Binary>,
    }
}

table! {
    ledger_head (name) {
        name -> Text,
        size -> BigInt,
        frontier -> Binary,
        root -> Binary,
        at -> BigInt,
    }
}

table! {
    setting (name) {
        name -> Text,
        value -> Text,
    }
}

table! {
    lease (name) {
        name -> Text,
        holder -> Text,
        epoch -> BigInt,
        expires_at -> BigInt,
    }
}

// Those that are ever joined.
allow_tables_to_appear_in_same_query!(
    person,
    session,
    invitation,
    token,
    service,
    declaration,
    push,
    push_step,
    flag_change,
    exposure,
    signature,
    note,
    hold,
    reply,
    regression,
    said,
    continuation,
    incident,
    revision,
    action_item
);
