//! The one server with loaded models that most walks share, each in a tenant of its own.

use serde_json::json;
use tokio::sync::OnceCell;

use super::{Api, Server, Setup};

/// The shared server; it ends with this process.
pub(crate) async fn shared() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER.get_or_init(async || Setup::new().set("weights.preload", "true").start().await).await
}

/// A caller with every right but administration, in a new tenant of `server`.
pub(crate) async fn tenant(server: &Server, name: &str) -> Api {
    server.admin().post("/admin/v1/tenants", json!({"name": name})).await.json();
    let key = server.admin().post(&format!("/admin/v1/tenants/{name}/keys"), json!({"name": "walk"})).await.json();
    server.caller(key["key"].as_str().expect("the secret is shown once"))
}
