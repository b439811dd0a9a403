//! What holds for every page and every answer: who may come in, what a form must carry, which headers stand.

mod access;
mod empty;
mod headers;
mod health;
mod plans;
mod routes;
mod services;
mod settings;
mod storm;
