//! The connection to a Redis server that may come and go.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, Cmd, FromRedisValue, IntoConnectionInfo, ProtocolVersion, RedisError, ScriptInvocation};
use tracing::{info, warn};

use crate::{CacheError, RedisConfig};

/// How often a server that does not answer is asked whether it is back.
const LOOK: Duration = Duration::from_millis(250);
/// How long the kernel sends again into silence before the connection counts as lost. Without it a server that
/// vanished without a word holds the connection for a quarter of an hour.
#[cfg(target_os = "linux")]
const SILENCE: Duration = Duration::from_secs(10);

/// One multiplexed connection, made again when it is lost. While the server does not answer nobody waits for it.
pub(super) struct Link {
    connection: ConnectionManager,
    patience: Duration,
    /// Whether the server was last seen not to answer; a probe runs as long as it is set.
    down: AtomicBool,
}

impl fmt::Debug for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Link").field("down", &self.down).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(config: &RedisConfig) -> Result<Arc<Self>, CacheError> {
        let manager = ConnectionManagerConfig::new()
            .set_number_of_retries(0) // the probe tries again; a caller must not wait for that
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(Some(config.timeout));
        let client = client(&config.url).map_err(|error| CacheError::Address(said(&error)))?;
        let connection = ConnectionManager::new_lazy_with_config(client, manager);
        let connection = connection.map_err(|error| CacheError::Address(said(&error)))?;
        Ok(Arc::new(Self { connection, patience: config.timeout, down: AtomicBool::new(false) }))
    }

    /// Runs one command.
    pub(super) async fn query<T: FromRedisValue>(self: &Arc<Self>, command: &Cmd) -> Result<T, CacheError> {
        let mut connection = self.connection.clone();
        self.within(async move { command.query_async(&mut connection).await }).await
    }

    /// Runs one script; the server learns it when it does not know it.
    pub(super) async fn invoke<T: FromRedisValue>(
        self: &Arc<Self>,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, CacheError> {
        let mut connection = self.connection.clone();
        self.within(async move { script.invoke_async(&mut connection).await }).await
    }

    async fn within<T>(self: &Arc<Self>, call: impl Future<Output = Result<T, RedisError>>) -> Result<T, CacheError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(CacheError::Unavailable("the server does not answer".to_owned()));
        }
        let failure = match tokio::time::timeout(self.patience, call).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if is_answer(&error) => return Err(CacheError::Unavailable(said(&error))),
            Ok(Err(error)) => said(&error),
            Err(_) => "the server did not answer in time".to_owned(),
        };
        self.lost(&failure);
        Err(CacheError::Unavailable(failure))
    }

    /// Starts the probe, once for all callers that see the loss.
    fn lost(self: &Arc<Self>, why: &str) {
        if self.down.swap(true, Ordering::Relaxed) {
            return;
        }
        warn!(error = why, "the cache's server does not answer; going on without it");
        let link = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(link) = link.upgrade() else { return };
                if link.answers().await {
                    info!("the cache's server answers again");
                    link.down.store(false, Ordering::Relaxed);
                    return;
                }
            }
        });
    }

    async fn answers(&self) -> bool {
        let mut connection = self.connection.clone();
        let ping = redis::cmd("PING");
        let asked = tokio::time::timeout(self.patience, ping.query_async::<String>(&mut connection)).await;
        matches!(asked, Ok(Ok(_)))
    }
}

/// With the third protocol a lost connection is noticed when it is lost, not by the next caller.
fn client(url: &str) -> Result<Client, RedisError> {
    let info = url.into_connection_info()?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let tcp = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(SILENCE);
    Client::open(info.set_redis_settings(settings).set_tcp_settings(tcp))
}

/// Whether the server itself answered, if only to refuse.
fn is_answer(error: &RedisError) -> bool {
    !(error.is_io_error() || error.is_timeout() || error.is_connection_dropped() || error.is_unrecoverable_error())
}

/// What a server says of an error may repeat a command's arguments; its code never does.
fn said(error: &RedisError) -> String {
    match error.code() {
        Some(code) => format!("the server refuses with {code}"),
        None => error.category().to_owned(),
    }
}
