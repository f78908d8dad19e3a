public import ByteIO

/// How sources are listed and brought.
public struct CollectorSettings: Sendable {
  public var transfer = TransferSettings()
  /// The server of `hf:` sources.
  public var endpoint = HuggingFaceRepository.publicEndpoint
  /// Sent to that server only.
  public var token: String?
  /// Whether links in folders of this machine are followed.
  public var links = LinkPolicy.refuse
  public var archives = ArchiveLimits()
  /// SHA-256 digests that single files and archives must have, in the order of the sources that are such.
  public var digests: [String] = []

  public init() {}
}

/// Lists what sources offer, and brings what is asked for to this machine; what lies here already stays where
/// it is.
///
/// For one thread.
public final class SourceCollector {
  public enum Depth: Sendable {
    /// Nothing is fetched but lists of files.
    case look
    /// Archives of web servers are fetched, for they cannot be listed otherwise.
    case bring
  }

  private let sources: [LayoutSource]
  private let modelsFolder: String
  private let settings: CollectorSettings
  private let observer: StoreObserver
  private let cancellation: Cancellation
  private var areas: [Int: StagingArea] = [:]
  private var sharedDownloader: Downloader?

  public init(
    _ sources: [LayoutSource], modelsFolder: String, settings: CollectorSettings, observer: StoreObserver,
    cancellation: Cancellation = Cancellation()
  ) {
    self.sources = sources
    self.modelsFolder = modelsFolder
    self.settings = settings
    self.observer = observer
    self.cancellation = cancellation
  }

  // MARK: Listing

  /// What each source offers, in the order of the sources.
  public func list(_ depth: Depth) throws(LayoutError) -> [SourceListing] {
    var listings: [SourceListing] = []
    for index in sources.indices { listings.append(try list(index, depth)) }
    return listings
  }

  private func list(_ index: Int, _ depth: Depth) throws(LayoutError) -> SourceListing {
    let source = sources[index]
    switch source {
    case .folder(let path):
      var listing = newListing(index)
      try filing(path) { () throws(ByteIOError) in try listing.addAll(in: path) }
      return SourceListing(source: source, files: listing.files, notes: listing.notes)
    case .file(let path):
      try checkDigest(index, path)
      var listing = newListing(index)
      try filing(path) { () throws(ByteIOError) in try listing.add(model: path) }
      return SourceListing(source: source, files: listing.files, notes: listing.notes)
    case .archive(let path):
      try checkDigest(index, path)
      return try list(archive: path, index)
    case .web(let address): return try list(address, index, depth)
    case .huggingFace(let place): return try list(place, index)
    }
  }

  private func newListing(_ index: Int) -> FolderListing {
    FolderListing(
      sourceIndex: index, links: settings.links, avoided: [identity(ofPath: modelsFolder)].compactMap { $0 })
  }

  private func list(
    archive path: String, _ index: Int, fingerprint: String? = nil
  ) throws(LayoutError) -> SourceListing {
    let archive = try OpenArchive(path: path, limits: settings.archives)
    let files = archive.files.filter { !Self.isHidden($0.path) }.map { entry in
      SourceFile(
        sourceIndex: index, path: entry.path, byteCount: entry.byteCount,
        fingerprint: "crc32:\(String(entry.crc32, radix: 16)) length:\(entry.byteCount)",
        place: .entry(archive, entry))
    }
    return SourceListing(
      source: sources[index], files: files.sorted { $0.path < $1.path }, fingerprint: fingerprint)
  }

  private func list(_ address: WebAddress, _ index: Int, _ depth: Depth) throws(LayoutError) -> SourceListing
  {
    let probe = try probe(address)
    let name = address.fileName ?? ""
    if Self.isSingleFile(name) {
      let file = SourceFile(
        sourceIndex: index, path: name, byteCount: probe.byteCount, fingerprint: probe.fingerprint,
        place: .web(address))
      return SourceListing(source: sources[index], files: [file])
    }
    if depth == .look {
      return SourceListing(
        source: sources[index], files: [], fingerprint: probe.fingerprint,
        unseen: SourceListing.Unseen(byteCount: probe.byteCount))
    }
    let area = try area(index)
    let path = area.archivePath
    let wanted = digest(index)
    let present = area.present("archive", at: path, fingerprint: probe.fingerprint)
    if present == nil || (wanted != nil && present?.sha256 != wanted) {
      try fetch(
        Download(
          address: address, path: path, expectedByteCount: nil,
          digest: wanted.map { ContentDigest.sha256($0) }),
        as: "archive", in: area, fingerprint: probe.fingerprint, byteCount: probe.byteCount)
    }
    guard LayoutSource.isArchive(path: path) else {
      throw LayoutError(
        .badSource("is neither a ZIP archive nor a file that belongs to a model"), place: address.shown)
    }
    return try list(archive: path, index, fingerprint: probe.fingerprint)
  }

  private func list(_ place: HuggingFaceSource, _ index: Int) throws(LayoutError) -> SourceListing {
    let repository = HuggingFaceRepository(place, endpoint: settings.endpoint, token: settings.token)
    let listing = try transferring(place.description) { () throws(TransferError) in
      try repository.list(with: downloader(), cancellation: cancellation)
    }
    let files = listing.files.filter { !Self.isHidden($0.path) }.map { file in
      let fingerprint: String? =
        switch file.digest {
        case .sha256(let digits): "sha256:" + digits
        case .gitBlob(let digits): "git:" + digits
        case nil: "commit:\(listing.commit)"
        }
      return SourceFile(
        sourceIndex: index, path: file.path, byteCount: file.byteCount, fingerprint: fingerprint,
        place: .hub(repository, listing, file))
    }
    return SourceListing(source: sources[index], files: files, fingerprint: "commit:" + listing.commit)
  }

  /// A file beside one of a web server, which lists nothing; nil for other sources.
  public func companion(of file: SourceFile, location: String) throws(LayoutError) -> SourceFile? {
    guard case .web(let address) = file.place, ContainedFile.objection(to: location) == nil else {
      return nil
    }
    let whole = address.url.prefix { $0 != "?" }
    let folder = whole.prefix(through: whole.lastIndex(of: "/") ?? whole.startIndex)
    let place = try transferring(address.shown) { () throws(TransferError) in
      try WebAddress(folder + WebAddress.percentEncoded(location, keeping: "-._~/"))
    }
    let probe = try probe(place)
    return SourceFile(
      sourceIndex: file.sourceIndex, path: location, byteCount: probe.byteCount,
      fingerprint: probe.fingerprint,
      place: .web(place))
  }

  private func probe(_ address: WebAddress) throws(LayoutError) -> RemoteProbe {
    try transferring(address.shown) { () throws(TransferError) in
      try RemoteProbe.ask(address, with: downloader(), cancellation: cancellation)
    }
  }

  // MARK: Bringing

  /// Where a file lies, or will when it was brought.
  public func path(of file: SourceFile) throws(LayoutError) -> String {
    if let path = file.localPath { return path }
    return try area(file.sourceIndex).path(of: file.path)
  }

  /// Brings files to this machine; those that are there already, complete, are not brought again.
  public func bring(_ files: [SourceFile]) throws(LayoutError) {
    var downloads: [(file: SourceFile, download: Download)] = []
    var entries: [(OpenArchive, ZIPEntry, SourceFile)] = []
    for file in files {
      let area = file.localPath == nil ? try area(file.sourceIndex) : nil
      let path = try path(of: file)
      switch file.place {
      case .local: break
      case .entry(let archive, let entry):
        if area?.present(file.path, at: path, fingerprint: file.fingerprint) == nil {
          entries.append((archive, entry, file))
        }
      case .web(let address):
        guard let area, area.present(file.path, at: path, fingerprint: file.fingerprint) == nil else {
          continue
        }
        try fetch(
          Download(
            address: address, path: path, digest: digest(file.sourceIndex).map { ContentDigest.sha256($0) }),
          as: file.path, in: area, fingerprint: file.fingerprint, byteCount: file.byteCount)
      case .hub(let repository, let listing, let entry):
        guard area?.present(file.path, at: path, fingerprint: file.fingerprint) == nil else { continue }
        let download = try transferring(file.path) { () throws(TransferError) -> Download in
          try repository.download(entry, of: listing, to: path)
        }
        downloads.append((file, download))
      }
    }
    try fetch(downloads)
    try unpack(entries)
  }

  private func fetch(_ list: [(file: SourceFile, download: Download)]) throws(LayoutError) {
    guard !list.isEmpty else { return }
    let total = list.reduce(0) { $0.addingReportingOverflow($1.download.expectedByteCount ?? 0).partialValue }
    observer.began("downloading \(list.count == 1 ? "1 file" : "\(list.count) files")", total)
    let sum = TransferSum(observer)
    let done = try transferring(sources[list[0].file.sourceIndex].shown) { () throws(TransferError) in
      try downloader().fetch(list.map(\.download), cancellation: cancellation) { sum.take($0) }
    }
    observer.ended()
    for (item, result) in zip(list, done) {
      try area(item.file.sourceIndex).record(
        item.file.path,
        StagingArea.Entry(
          byteCount: result.byteCount, sha256: result.sha256, fingerprint: item.file.fingerprint))
    }
  }

  private func fetch(
    _ download: Download, as name: String, in area: StagingArea, fingerprint: String?, byteCount: Int?
  ) throws(LayoutError) {
    observer.began("downloading \(fileName(of: download.path))", byteCount ?? 0)
    let sum = TransferSum(observer)
    let done = try transferring(download.address.shown) { () throws(TransferError) in
      try downloader().fetch([download], cancellation: cancellation) { sum.take($0) }
    }
    observer.ended()
    try area.record(
      name, StagingArea.Entry(byteCount: done[0].byteCount, sha256: done[0].sha256, fingerprint: fingerprint))
  }

  private func unpack(_ list: [(OpenArchive, ZIPEntry, SourceFile)]) throws(LayoutError) {
    guard !list.isEmpty else { return }
    let total = list.reduce(0) { $0.addingReportingOverflow($1.1.byteCount).partialValue }
    observer.began("unpacking \(list.count == 1 ? "1 file" : "\(list.count) files")", total)
    for index in Set(list.map { $0.2.sourceIndex }).sorted() {
      let own = list.filter { $0.2.sourceIndex == index }
      var extractions: [(entry: ZIPEntry, path: String)] = []
      for (_, entry, file) in own { extractions.append((entry, try path(of: file))) }
      try own[0].0.unpack(extractions, cancellation: cancellation, observer: observer)
      for (_, entry, file) in own {
        try area(index).record(
          file.path,
          StagingArea.Entry(byteCount: entry.byteCount, sha256: nil, fingerprint: file.fingerprint))
      }
    }
    observer.ended()
  }

  /// Removes what was brought and not taken, in this run and in earlier ones.
  public func finish() throws(LayoutError) {
    for index in sources.indices where !sources[index].isLocal {
      if StagingArea.isThere(modelsFolder: modelsFolder, source: sources[index]) { _ = try area(index) }
    }
    for area in areas.values { try area.remove() }
    areas = [:]
  }

  /// Removes what costs nothing to bring again; downloads stay for the next run. Returns their folders.
  public func abandon() -> [String] {
    var kept: [String] = []
    for (index, area) in areas {
      if case .archive = sources[index] {
        try? area.remove()
      } else if area.hasFiles {
        kept.append(area.path)
      } else {
        try? area.remove()
      }
    }
    areas = [:]
    return kept.sorted()
  }

  // MARK: Parts

  private func area(_ index: Int) throws(LayoutError) -> StagingArea {
    if let area = areas[index] { return area }
    let area = try StagingArea(modelsFolder: modelsFolder, source: sources[index])
    areas[index] = area
    return area
  }

  private func downloader() throws(TransferError) -> Downloader {
    if let sharedDownloader { return sharedDownloader }
    let made = try Downloader(settings: settings.transfer)
    sharedDownloader = made
    return made
  }

  /// The digest that the user gave for a source.
  private func digest(_ index: Int) -> String? {
    let turn = sources[..<index].filter(\.isOneFile).count
    guard sources[index].isOneFile, turn < settings.digests.count else { return nil }
    return settings.digests[turn].lowercased()
  }

  private func checkDigest(_ index: Int, _ path: String) throws(LayoutError) {
    guard let wanted = digest(index) else { return }
    let found = try filing(path) { () throws(ByteIOError) in try PlacedFile(of: path).sha256 }
    if found != wanted {
      throw LayoutError(.badSource("file has the SHA-256 \(found), expected \(wanted)"), place: path)
    }
  }

  private static func isHidden(_ path: String) -> Bool {
    path.hasPrefix(".") || path.firstRange(of: "/.") != nil || path.hasPrefix("__MACOSX/")
  }

  private static func isSingleFile(_ name: String) -> Bool {
    let endings = [".onnx", ".json", ".txt", ".bin", ".data", ".onnx_data", ".weights"]
    return SidecarNames.contains(name) || endings.contains { name.hasSuffix($0) }
  }

  private func transferring<Result>(
    _ place: String, _ work: () throws(TransferError) -> Result
  ) throws(LayoutError) -> Result {
    do { return try work() } catch { throw LayoutError(.transfer(error), place: place) }
  }

  private func filing<Result>(
    _ place: String, _ work: () throws(ByteIOError) -> Result
  ) throws(LayoutError) -> Result {
    do { return try work() } catch { throw LayoutError(.file(error), place: place) }
  }
}

extension LayoutSource {
  /// Whether the source is one file, which a digest can be given for.
  public var isOneFile: Bool {
    switch self {
    case .file, .archive, .web: true
    case .folder, .huggingFace: false
    }
  }
}

extension StagingArea {
  /// Whether anything lies in it that took time to bring.
  var hasFiles: Bool { !((try? names(inFolder: path)) ?? []).isEmpty }
}
