//! Takes new connections from one listener.

use std::rc::Rc;
use std::time::Duration;

use crate::rt;
use crate::rt::net::Listener;
use crate::server::connection;
use crate::server::state::ServerState;

/// How often an error that stays is told.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// Accepts until the server stops. A connection beyond the limit is closed at once.
pub async fn accept_connections(server: Rc<ServerState>, listener: Listener) {
    let mut refused = false;
    let mut warn_from = None;
    loop {
        let stream = match rt::race(listener.accept(), server.stopped()).await {
            rt::Either::Left(Ok(stream)) => stream,
            rt::Either::Left(Err(error)) => {
                // The runtime has waited already: an error that stays does not spin, nor fill the log.
                let now = rt::now();
                if warn_from.is_none_or(|from| now >= from) {
                    warn_from = Some(now.plus(WARN_EVERY));
                    tracing::warn!(%error, "could not accept a connection");
                }
                continue;
            }
            rt::Either::Right(()) => return,
        };
        match server.admit() {
            Some(admission) => {
                refused = false;
                rt::spawn(connection::serve(server.clone(), admission, stream));
            }
            None => {
                if !refused {
                    refused = true;
                    tracing::warn!(
                        limit = server.connection_limit(),
                        "connections refused until others close: max.connections, or what the limit of open files leaves, is reached"
                    );
                }
            }
        }
    }
}
