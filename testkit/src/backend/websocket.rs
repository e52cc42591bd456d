//! A WebSocket server that sends every message back.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{accept_async_with_config, tungstenite::protocol::WebSocketConfig};

pub(super) async fn echo(stream: TcpStream) {
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let Ok(mut socket) = accept_async_with_config(stream, Some(config)).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        let is_data = message.is_text() || message.is_binary();
        if is_data && socket.send(message).await.is_err() {
            return;
        }
    }
    // What is still owed to the peer, the close frame above all, goes out before the socket ends.
    socket.flush().await.ok();
}
