//! The picture of a stretch of time inside a report, with links that lead to the timeline's own page.

use super::{
    asked::{Asked, Marks, Span},
    drawn::{self, Links, Roles},
    loaded::Loaded,
};
use crate::{
    domain::Time,
    flows::Error,
    timeline::{self, Width},
    web::App,
};

/// A timeline drawn for a report, and once more for a telephone, as SVG.
pub struct Picture {
    /// 868 px wide.
    pub wide: String,
    /// 328 px wide.
    pub narrow: String,
}

/// Draws a service between two instants.
pub fn picture(
    app: &App,
    service: &str,
    environment: &str,
    (from, to): (Time, Time),
    zone: Option<i32>,
    now: Time,
) -> Result<Picture, Error> {
    let asked = Asked {
        path: super::path(service, environment),
        span: Span::Fixed(from, to),
        release: None,
        cell: None,
        signature: None,
        marks: Marks::Everything,
        at: None,
    };
    let loaded = Loaded::load(app, service, environment, &asked, now)?;
    let links = Links { site: String::new(), page: asked.href("") };
    let facts = drawn::facts(&loaded, &asked, &Roles::of(&loaded), zone, &links);
    let show = asked.marks.show();
    let [wide, narrow] = timeline::service_at(&facts, [Width::Report, Width::Narrow], &show);
    Ok(Picture { wide, narrow })
}
