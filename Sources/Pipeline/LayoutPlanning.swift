import ByteIO
import ModelStore
import ONNXFile
import Whisper

/// One file that a layout shall have.
struct PlannedFile {
  /// Relative to the layout's folder.
  let target: String
  /// Where it lies now.
  let source: String
  /// Whether it is the user's own, and not brought here by this run.
  let isLocal: Bool
  /// The source and the file in it.
  let sourceShown: String
  let origin: String
  let fingerprint: String?
  let part: WhisperPart?
  /// New names of data files, for a model that must be written anew.
  var renames: [String: String] = [:]
  /// The models that use this data file.
  var models: [String] = []
  /// The state that was looked at.
  let stamp: FileStamp?
}

/// Decides which file goes where, and under which name.
struct LayoutPlanning {
  let request: LayoutRequest
  let name: String
  let folderPath: String
  /// What an earlier run noted down.
  let record: LayoutRecord?
  private(set) var files: [PlannedFile] = []
  var license: String?
  var fingerprints: [String] = []

  init(_ request: LayoutRequest, name: String, folderPath: String, record: LayoutRecord?) {
    self.request = request
    self.name = name
    self.folderPath = folderPath
    self.record = record
  }

  /// The models, and the data files that they name.
  mutating func add(
    _ parts: [WhisperPart: LayoutCandidate], present: Set<WhisperPart>, sources: [LayoutSource]
  ) throws(PipelineError) {
    let targets = LayoutTargets.targets(of: Set(parts.keys).union(present))
    /// Targets of data files, by what they are and the folder that they go to.
    var places: [String: Int] = [:]
    var counts: [String: Int] = [:]
    for part in WhisperPart.allCases {
      guard let model = parts[part], let file = model.file, let target = targets[part] else { continue }
      var renames: [String: String] = [:]
      for data in model.report.dataFiles {
        let path = joined(folder(of: model.path), data.location)
        let key = folder(of: target) + "\n" + (realPath(path) ?? path)
        if let place = places[key] {
          files[place].models.append(target)
        } else {
          let number = counts[target, default: 0]
          counts[target] = number + 1
          places[key] = files.count
          let place = LayoutTargets.dataTarget(of: target, number)
          // Data that is in its place already has the layout's name; its record knows the source's.
          let old = path == joined(folderPath, place) ? record?[place] : nil
          files.append(
            PlannedFile(
              target: place, source: path, isLocal: file.localPath != nil,
              sourceShown: sources[file.sourceIndex].shown,
              origin: old?.origin ?? joined(folder(of: file.path), data.location),
              fingerprint: old?.fingerprint,
              part: nil, models: [target], stamp: FileStamp(ofPath: path)))
        }
        let newName = fileName(of: files[places[key] ?? 0].target)
        if newName != data.location { renames[data.location] = newName }
      }
      files.append(
        PlannedFile(
          target: target, source: model.path, isLocal: file.localPath != nil,
          sourceShown: sources[file.sourceIndex].shown, origin: file.path, fingerprint: file.fingerprint,
          part: part,
          renames: renames, stamp: FileStamp(ofPath: model.path)))
    }
  }

  /// The files that go along, at the top of the layout.
  mutating func add(
    sidecars: [SourceFile], at path: (SourceFile) throws(PipelineError) -> String, sources: [LayoutSource]
  ) throws(PipelineError) {
    for file in sidecars {
      let place = try path(file)
      files.append(
        PlannedFile(
          target: fileName(of: file.path), source: place, isLocal: file.localPath != nil,
          sourceShown: sources[file.sourceIndex].shown, origin: file.path, fingerprint: file.fingerprint,
          part: nil,
          stamp: FileStamp(ofPath: place)))
    }
  }

  /// What an archive or a repository says of the data files.
  mutating func note(_ fingerprints: [String: String]) {
    for index in files.indices where files[index].fingerprint == nil {
      guard let found = fingerprints[files[index].source] else { continue }
      let old = files[index]
      files[index] = PlannedFile(
        target: old.target, source: old.source, isLocal: old.isLocal, sourceShown: old.sourceShown,
        origin: old.origin,
        fingerprint: found, part: old.part, renames: old.renames, models: old.models, stamp: old.stamp)
    }
  }
}

/// How a planned file stands to what is there.
enum PlannedState {
  case missing
  /// The same is there already; its digest.
  case same(PlacedFile)
  case different
}

extension PlannedFile {
  /// Compares with the layout; reads both files when they are equally long.
  func state(in folderPath: String, _ observer: StoreObserver) throws(PipelineError) -> PlannedState {
    let path = joined(folderPath, target)
    switch kind(ofPath: path) {
    case .missing: return .missing
    case .folder, .other: throw PipelineError(ByteIOError(.notARegularFile(found: "no file"), path: path))
    case .file: break
    }
    let there = try filing { () throws(ByteIOError) in try MappedFile(path: path) }
    if !renames.isEmpty {
      guard try relocated().isEqual(to: there) else { return .different }
    } else {
      guard let stamp, stamp.byteCount == there.byteCount else { return .different }
      if identity(ofPath: path) != stamp.identity {
        let wanted = try filing { () throws(ByteIOError) in
          try PlacedFile(of: source, advanced: observer.advanced)
        }
        let found = try filing { () throws(ByteIOError) in
          try PlacedFile(of: path, advanced: observer.advanced)
        }
        return wanted.sha256 == found.sha256 ? .same(found) : .different
      }
    }
    return .same(try filing { () throws(ByteIOError) in try PlacedFile(of: path) })
  }

  /// The model with the new names of its data files.
  func relocated() throws(PipelineError) -> RelocatedModel {
    do {
      return try RelocatedModel(try MappedFile(path: source), renaming: renames)
    } catch let error as ONNXFileError {
      throw PipelineError(error)
    } catch let error as ByteIOError {
      throw PipelineError(error)
    } catch {
      throw PipelineError("\(source): \(error)", .internal)
    }
  }
}
