use super::*;

fn spec(text: &str) -> Spec {
    toml::from_str(text).unwrap()
}

fn build(text: &str, before: &Table) -> Table {
    Table::build(&[&spec(text)], before).unwrap()
}

const TWO: &str = r#"
[[upstreams]]
name = "a"
kind = "openai"
base_url = "http://127.0.0.1:9/v1"

[[upstreams]]
name = "b"
kind = "openai"
base_url = "http://127.0.0.1:10/v1"

[[models]]
name = "m"
aliases = ["mm"]
targets = [{ upstream = "a", model = "x" }, { upstream = "b", model = "x" }, { upstream = "local", model = "y" }]

[[models]]
name = "n"
targets = [{ upstream = "a", model = "x" }]
"#;

#[test]
fn names_and_aliases_lead_to_one_route_and_targets_share_their_health() {
    let table = build(TWO, &Table::default());
    let (m, n) = (table.route("m").unwrap(), table.route("n").unwrap());
    assert!(Arc::ptr_eq(m, table.route("mm").unwrap()));
    assert!(Arc::ptr_eq(&m.places[0].health, &n.places[0].health));
    assert_eq!(m.local, [(1, "y".to_owned())]);
}

#[test]
fn what_did_not_change_goes_on() {
    let before = build(TWO, &Table::default());
    let after = build(&TWO.replace("127.0.0.1:10", "127.0.0.1:11"), &before);
    assert!(Arc::ptr_eq(&before.upstreams["a"], &after.upstreams["a"]));
    assert!(!Arc::ptr_eq(&before.upstreams["b"], &after.upstreams["b"]));
    assert!(Arc::ptr_eq(before.route("n").unwrap(), after.route("n").unwrap()), "the same route");
    let (old, new) = (before.route("m").unwrap(), after.route("m").unwrap());
    assert!(!Arc::ptr_eq(old, new) && Arc::ptr_eq(&old.places[0].health, &new.places[0].health));
    assert!(!Arc::ptr_eq(&old.places[1].health, &new.places[1].health), "another server begins anew");
}

#[test]
fn models_that_an_upstream_lists_are_offered_under_names_that_are_free() {
    let text = TWO.replace("name = \"a\"\n", "name = \"a\"\nimport_models = true\n");
    let before = build(&text, &Table::default());
    assert!(before.upstreams["a"].list(vec!["z".to_owned(), "m".to_owned()]));
    let after = build(&text, &before);
    assert_eq!(after.route("z").unwrap().places[0].name, "z");
    assert_eq!(after.route("m").unwrap().places.len(), 2, "what is configured counts");
}
