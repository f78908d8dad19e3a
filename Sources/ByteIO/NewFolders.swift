import Synchronization

/// Folders for results that are yet to come: those that were not there go again when the work fails or is interrupted.
public final class NewFolders: Sendable {
  /// The made ones, the outer before the inner.
  private let made: [String]
  private let isKept = Atomic(false)

  /// Makes the folders of files, with those above them; what is there stays as it is.
  public init(forFiles paths: [String]) throws(ByteIOError) {
    var missing: [String] = []
    for path in paths {
      var chain: [String] = []
      var place = folder(of: path)
      while !place.isEmpty, kind(ofPath: place) == .missing, !missing.contains(place) {
        chain.append(place)
        place = folder(of: place)
      }
      missing += chain.reversed()
    }
    made = missing
    for path in made { InterruptedFolders.remember(path) }
    for path in paths { try makeFolders(folder(of: path)) }
  }

  /// The results are there, so the folders stay.
  public func keep() {
    isKept.store(true, ordering: .relaxed)
    for path in made { InterruptedFolders.forget(path) }
  }

  deinit {
    if isKept.load(ordering: .relaxed) { return }
    // One that holds something by now stays.
    for path in made.reversed() {
      FilePlacing.removeEmptyFolder(path)
      InterruptedFolders.forget(path)
    }
  }
}
