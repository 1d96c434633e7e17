use super::*;

const SAMPLE: &str = r#"
[server]
listen = "127.0.0.1:8080"

[store]
data_dir = "./data"

[auth]
admin_key = { env = "KUBEMATE_ADMIN_KEY" }   # full rights; made at first start and printed once when unset

[[upstreams]]
name = "mock"
kind = "openai"                              # openai | ollama | kserve | local
base_url = "http://127.0.0.1:9100/v1"

[[models]]
name = "mock"
targets = [{ upstream = "mock", model = "mock", weight = 1 }]
"#;

fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let (config, _) = compose(toml::from_str(text).unwrap(), variables)?;
    check(&config)?;
    Ok(config)
}

fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    with(text, variables).unwrap_err().to_string()
}

#[test]
fn the_sample_loads_unchanged() {
    let config = with(SAMPLE, &[]).unwrap();
    assert_eq!(config.upstreams.len(), 1);
    assert_eq!(config.models.first().unwrap().targets.first().unwrap().model, "mock");
}

#[test]
fn the_environment_overrides_the_file() {
    let config = with(SAMPLE, &[("KUBEMATE__SERVER__LISTEN", "0.0.0.0:9"), ("KUBEMATE_PORT", "tcp://x")]).unwrap();
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:9");
    let config = with("", &[("KUBEMATE__AUTH__ADMIN_KEY", "12345"), ("KUBEMATE__SERVER__GRACE", "3s")]).unwrap();
    assert_eq!(config.auth.admin_key.unwrap().reveal().unwrap().unwrap(), "12345");
    assert_eq!(config.server.grace.as_secs(), 3);
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    assert!(refusal("[server]\nlisten_on = 1", &[]).contains("did you mean `listen`"));
    let by_variable = refusal("", &[("KUBEMATE__SERVER__LISTN", "0.0.0.0:1")]);
    assert!(by_variable.contains("KUBEMATE__SERVER__LISTN") && by_variable.contains("did you mean `listen`"));
}

#[test]
fn replicas_need_shared_stores() {
    let all = refusal("[server]\nreplicas = 2", &[]);
    for way in
        ["store.ledger.url", "store.objects.kind", "store.vectors.kind", "store.cache.kind", "server.replicas = 1"]
    {
        assert!(all.contains(way), "{all}");
    }
    let ledger = "[server]\nreplicas = 2\n[store.ledger]\nurl = 'postgres://u@h/d'";
    assert!(!refusal(ledger, &[]).contains("store.ledger"));
}

#[test]
fn names_are_unique_and_known() {
    let twice = format!("{SAMPLE}\n[[models]]\nname = \"mock\"\ntargets = [{{ upstream = \"mock\", model = \"m\" }}]");
    assert!(refusal(&twice, &[]).contains("`models` defines `mock` twice"));
    let stranger = "[[models]]\nname = \"a\"\ntargets = [{ upstream = \"nowhere\", model = \"m\" }]";
    assert!(refusal(stranger, &[]).contains("nowhere"));
    let bad_url = "[[upstreams]]\nname = \"a\"\nkind = \"openai\"\nbase_url = \"ftp://x\"";
    assert!(refusal(bad_url, &[]).contains("http://host:port/v1"));
}

#[test]
fn short_retention_is_refused() {
    assert!(refusal("[audit]\nretention_days = 30", &[]).contains("at least 180"));
}

#[test]
fn secrets_are_not_printed() {
    let config = with("[auth]\nadmin_key = \"s3cret\"", &[]).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
    assert!(!toml::to_string(&config).unwrap().contains("s3cret"));
}
