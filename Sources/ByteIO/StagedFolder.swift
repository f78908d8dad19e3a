/// A hidden folder beside a result, for a writer of whose files the names are not known before.
///
/// It is removed with everything in it by `remove`, when nobody holds it any more, and when a signal ends the program
/// (see `SignalCleanup`).
public final class StagedFolder: Sendable {
  public let path: String

  /// Makes the folder, with those above it.
  public init(beside result: String) throws(ByteIOError) {
    let name = ".\(fileName(of: result)).\(String(UInt64.random(in: 0 ... .max), radix: 16))"
    path = joined(folder(of: result), name)
    InterruptedFolders.remember(path)
    do { try makeFolders(path) } catch {
      InterruptedFolders.forget(path)
      throw error
    }
  }

  deinit { remove() }

  /// Removes the folder and what is left in it.
  public func remove() {
    try? FilePlacing.removeTree(path)
    InterruptedFolders.forget(path)
  }
}
