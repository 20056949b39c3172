//! What is inside an image: layers, fragments, components with evidence.
pub mod model;
pub use model::*;
