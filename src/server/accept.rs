//! Takes new connections from one listener.

use std::rc::Rc;

use crate::rt;
use crate::rt::net::Listener;
use crate::server::connection;
use crate::server::state::ServerState;

/// Accepts until the server stops. A connection beyond the limit is closed at once.
pub async fn accept_connections(server: Rc<ServerState>, listener: Listener) {
    let mut refused = false;
    loop {
        let stream = match rt::race(listener.accept(), server.stopped()).await {
            rt::Either::Left(Ok(stream)) => stream,
            rt::Either::Left(Err(error)) => {
                // The runtime has waited already: an error that stays does not spin.
                tracing::warn!(%error, "could not accept a connection");
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
                        limit = server.shard.settings().max_connections,
                        "connections refused until others close: max.connections is reached"
                    );
                }
            }
        }
    }
}
