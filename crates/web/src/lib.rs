//! How people and programs reach the platform: REST API and dashboard.
