//! [`Objects`]: small objects by name, beside checkpoints: what a cluster remembers of its jobs, and who leads it.

use std::{path::Path as FilePath, sync::Arc};

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, local::LocalFileSystem, path::Path};

use crate::store::StoreError;

/// The largest object, in bytes.
pub const LIMIT_OBJECT_BYTES: u64 = 16 << 20;

/// Objects by name. Clones are of the same place.
#[derive(Debug, Clone)]
pub struct Objects(Arc<dyn ObjectStore>);

impl Objects {
    /// Keeps objects in a directory, which is created if it is missing. It blocks, shortly. A folder goes with the last object in it.
    ///
    /// # Errors
    ///
    /// Fails if the file system refuses.
    #[allow(clippy::disallowed_methods, reason = "the directory has to be there before object_store takes it")]
    pub fn directory(path: &FilePath) -> Result<Self, StoreError> {
        std::fs::create_dir_all(path).map_err(|source| StoreError::Files {
            doing: "create the directory",
            path: path.to_owned(),
            source,
        })?;
        let objects = LocalFileSystem::new_with_prefix(path);
        let objects = objects.map_err(|source| StoreError::objects(format!("open {}", path.display()), source))?;
        Ok(Self(Arc::new(objects.with_fsync(true).with_automatic_cleanup(true))))
    }

    /// Keeps objects in any store. It must be strongly consistent, and must create objects conditionally (`PutMode::Create`).
    pub fn over(objects: Arc<dyn ObjectStore>) -> Self {
        Self(objects)
    }

    /// Creates an object. False if there is one of this name already, which stays as it is.
    ///
    /// # Errors
    ///
    /// Fails if the store does; then it is not known whether the object is there.
    pub async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.0.put_opts(&Path::from(name), bytes.into(), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(StoreError::objects(format!("create {name}"), source)),
        }
    }

    /// Puts an object in the place of the one that is there, if one is.
    ///
    /// # Errors
    ///
    /// Fails if the store does; then it is not known which is there.
    pub async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let put = self.0.put(&Path::from(name), bytes.into()).await;
        put.map(drop).map_err(|source| StoreError::objects(format!("write {name}"), source))
    }

    /// Reads an object; `None` if there is none of this name.
    ///
    /// # Errors
    ///
    /// Fails if it is too large, or if the store fails.
    pub async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let failed = |source| StoreError::objects(format!("read {name}"), source);
        let object = match self.0.get(&Path::from(name)).await {
            Ok(object) => object,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(source) => return Err(failed(source)),
        };
        if object.meta.size > LIMIT_OBJECT_BYTES {
            return Err(StoreError::Incomplete { what: format!("{name} is larger than {LIMIT_OBJECT_BYTES} bytes") });
        }
        Ok(Some(object.bytes().await.map_err(failed)?.into()))
    }

    /// The names of all objects below a folder, sorted.
    ///
    /// # Errors
    ///
    /// Fails if the store does.
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let names = self.0.list(Some(&Path::from(folder))).map_ok(|object| object.location.to_string());
        let names: Result<Vec<String>, _> = names.try_collect().await;
        let mut names = names.map_err(|source| StoreError::objects(format!("list {folder}"), source))?;
        names.sort_unstable();
        Ok(names)
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    ///
    /// Fails if the store does.
    pub async fn delete(&self, name: &str) -> Result<(), StoreError> {
        match self.0.delete(&Path::from(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(StoreError::objects(format!("delete {name}"), source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn objects_are_created_once_and_replaced_on_demand() {
        let dir = tempfile::tempdir().expect("there is a place for temporary files");
        let objects = Objects::directory(&dir.path().join("new")).expect("it can be made");
        block_on(async {
            assert_eq!(objects.get("a/b").await.unwrap(), None);
            assert!(objects.create("a/b", vec![1]).await.unwrap());
            assert!(!objects.create("a/b", vec![2]).await.unwrap());
            assert_eq!(objects.get("a/b").await.unwrap(), Some(vec![1]));
            objects.put("a/b", vec![3]).await.unwrap();
            objects.put("a/c/d", vec![4]).await.unwrap();
            assert_eq!(objects.list("a").await.unwrap(), ["a/b", "a/c/d"]);
            objects.delete("a/b").await.unwrap();
            objects.delete("a/b").await.unwrap();
            assert_eq!(objects.list("a").await.unwrap(), ["a/c/d"]);
        });
    }
}
