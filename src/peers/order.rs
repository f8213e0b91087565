//! Orders to erase, from one node to the others.

use std::pin::Pin;
use std::sync::Arc;

use jiff::civil::Date;
use tokio::sync::mpsc;

use crate::secret::Personal;

/// Whose rows of a day are to be erased.
pub struct Order {
    /// The site.
    pub site: Arc<str>,
    /// The day.
    pub day: Date,
    /// The browser's identity on that day.
    pub id: Personal<[u8; 16]>,
}

/// Carries an order out. Whether it is durable.
pub(crate) type Eraser = Box<dyn Fn(Order) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// Takes the orders that are passed on.
#[derive(Clone)]
pub struct Orders(pub(super) mpsc::Sender<Order>);

impl Orders {
    /// Passes an order on. If more wait than may, it is dropped, which is logged.
    pub fn pass(&self, order: Order) {
        if self.0.try_send(order).is_err() {
            tracing::error!("an erasure is not passed on to other nodes: too many wait");
        }
    }
}
