//! The one door to SQL: SQLite or PostgreSQL behind one small type, migrations, the job table.
