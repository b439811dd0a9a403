//! The list of services, page by page.

use crate::support::{Engine, TestApp};
use pushback::{
    domain::{access::Role, time},
    store::StoreError,
};

#[test]
fn many_services_are_listed_page_by_page_and_none_is_left_out() {
    for engine in Engine::BOTH {
        let app = TestApp::told(engine);
        let at = time::parse("2026-03-03T07:30:00Z").expect("a time");
        let add = |number: usize| {
            app.store
                .keep::<_, StoreError>(|tx| {
                    tx.ensure_service(&format!("svc-{number:03}"), &format!("key-{number}"), at)
                })
                .expect("kept");
        };
        (0..230).for_each(add);
        let client = app.signed_in(Role::Viewer);
        let (mut page, mut pages, mut found) = (client.page("/services"), 1, Vec::new());
        loop {
            found.extend((0..230).filter(|it| page.body.contains(&format!("svc-{it:03}</a>"))));
            let Some(next) = page.body.split("rel=\"next\"").next().filter(|it| it.len() < page.body.len()) else {
                break;
            };
            let href = next.rsplit("href=\"").next().and_then(|it| it.split('"').next()).expect("a link").to_owned();
            (page, pages) = (client.page(&href), pages + 1);
            assert!(page.body.contains("From the beginning") && pages < 9, "{href}");
        }
        assert_eq!((pages, found), (3, (0..230).collect::<Vec<_>>()));
        assert!(client.page("/services?after=zzz").says("No service comes after that one"));
    }
}
