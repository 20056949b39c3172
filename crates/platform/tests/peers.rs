//! Every statement of the platform is one that both engines understand.

use tidewaiter_db::testing::{PostgresServer, TempDb, check_statements};
use tidewaiter_db::{Db, Options, Statement};
use tidewaiter_platform::{access, images, pipeline};

#[tokio::test]
async fn both_engines_understand_every_statement() {
    let all: Vec<(&str, Statement)> = [access::sql::ALL, images::sql::ALL, pipeline::sql::ALL].concat();
    check_statements(&TempDb::new().await.db, &all).await;
    let server = PostgresServer::start();
    let db = Db::open(&server.database(), &Options::default()).await.expect("the database opens");
    check_statements(&db, &all).await;
}
