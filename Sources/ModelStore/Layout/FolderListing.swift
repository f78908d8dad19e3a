import ByteIO

/// Lists the files of a folder of this machine as a source.
struct FolderListing {
  private static let depthLimit = 12
  private static let fileLimit = 100_000

  let sourceIndex: Int
  let links: LinkPolicy
  /// Folders that are passed over: the one that results go to.
  let avoided: [FileIdentity]
  private(set) var files: [SourceFile] = []
  private(set) var notes: [String] = []

  init(sourceIndex: Int, links: LinkPolicy, avoided: [FileIdentity]) {
    self.sourceIndex = sourceIndex
    self.links = links
    self.avoided = avoided
  }

  /// All files in a folder and below it; hidden ones are left out.
  mutating func addAll(in root: String) throws(ByteIOError) {
    let own = identity(ofPath: root)
    try add(root, prefix: "", above: [own].compactMap { $0 })
  }

  /// One model, and the files beside it that are no models.
  mutating func add(model path: String) throws(ByteIOError) {
    let root = folder(of: path)
    for name in try names(inFolder: root) where !name.hasPrefix(".") {
      if name == fileName(of: path)
        || (!SidecarNames.isModel(name) && kind(ofPath: joined(root, name)) == .file)
      {
        add(file: name, root: root, isWanted: name == fileName(of: path))
      }
    }
  }

  private mutating func add(_ root: String, prefix: String, above: [FileIdentity]) throws(ByteIOError) {
    for name in try names(inFolder: joined(root, prefix)) where !name.hasPrefix(".") {
      let relative = joined(prefix, name)
      let path = joined(root, relative)
      switch kind(ofPath: path) {
      case .file: add(file: relative, root: root, isWanted: false)
      case .folder:
        guard let id = identity(ofPath: path), !above.contains(id), !avoided.contains(id) else { continue }
        if isLink(path), links == .refuse {
          notes.append(
            "\(path): this folder is a symbolic link and was passed over; --follow-links accepts it")
          continue
        }
        guard above.count < Self.depthLimit, files.count < Self.fileLimit else {
          notes.append(
            "\(path): folders are nested too deeply here, or there are too many files; not looked at")
          continue
        }
        try add(root, prefix: relative, above: above + [id])
      case .missing, .other: break
      }
    }
  }

  private mutating func add(file relative: String, root: String, isWanted: Bool) {
    let path = joined(root, relative)
    if !isWanted, links == .refuse, isLink(path) {
      let name = fileName(of: relative)
      if SidecarNames.isModel(name) || SidecarNames.contains(name) {
        notes.append("\(path): this is a symbolic link and was passed over; --follow-links accepts it")
      }
      return
    }
    files.append(
      SourceFile(
        sourceIndex: sourceIndex, path: relative, byteCount: FileStamp(ofPath: path)?.byteCount,
        fingerprint: nil,
        place: .local(path)))
  }
}
