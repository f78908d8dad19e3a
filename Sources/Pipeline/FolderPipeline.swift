import ByteIO
import ModelStore
import ONNXFile
import QuantPlan

/// What a folder holds for quantizing: models, and files that go along.
public struct FolderContents: Sendable {
  /// Paths relative to the folder, sorted.
  public let models: [String]
  /// Every other file that is no model's data.
  public let sidecars: [String]
}

/// The journey of a folder: each model in it is quantized, everything else comes along.
public enum FolderPipeline {
  /// Folders below folders, counted with the two that every walk begins with.
  private static let depthLimit = 10

  /// Lists a folder and the folders in it; hidden files are left out, and so is the folder `output` when it
  /// lies inside, for it holds the results of an earlier run.
  public static func contents(
    of path: String, except output: String? = nil
  ) throws(PipelineError)
    -> FolderContents
  {
    var files: [String] = []
    // A link to a folder above would list everything again.
    let avoided = [output ?? path, path].compactMap { identity(ofPath: $0) }
    try list(path, prefix: "", except: avoided, into: &files)
    let models = files.filter { $0.hasSuffix(".onnx") }
    var data: Set<String> = []
    for model in models {
      // A model that cannot be read says so when its turn comes.
      guard let message = try? ModelReader.read(path: joined(path, model)) else { continue }
      for location in message.externalLocations { data.insert(joined(folder(of: model), location)) }
    }
    if models.isEmpty {
      throw PipelineError("\(path): there is no .onnx file in this folder or below it", .badInput)
    }
    return FolderContents(
      models: models, sidecars: files.filter { !$0.hasSuffix(".onnx") && !data.contains($0) })
  }

  /// All files of a folder and the folders in it, relative to it; hidden ones are left out.
  static func files(of path: String) throws(PipelineError) -> [String] {
    var files: [String] = []
    try list(path, prefix: "", except: [identity(ofPath: path)].compactMap { $0 }, into: &files)
    return files
  }

  private static func list(
    _ root: String, prefix: String, except avoided: [FileIdentity], into files: inout [String]
  ) throws(PipelineError) {
    let entries: [String]
    do { entries = try names(inFolder: joined(root, prefix)) } catch { throw PipelineError(error) }
    for name in entries where !name.hasPrefix(".") {
      let relative = joined(prefix, name)
      switch kind(ofPath: joined(root, relative)) {
      case .file: files.append(relative)
      case .folder:
        guard let id = identity(ofPath: joined(root, relative)), !avoided.contains(id),
          avoided.count < depthLimit
        else { continue }
        try list(root, prefix: relative, except: avoided + [id], into: &files)
      case .missing, .other: break
      }
    }
  }

  /// Copies one file, whole or not at all.
  public static func carry(_ relative: String, from source: String, to target: String) throws(PipelineError) {
    do throws(ByteIOError) {
      let file = try MappedFile(path: joined(source, relative))
      let path = joined(target, relative)
      if let id = identity(ofPath: path), id == file.identity {
        throw ByteIOError(.sameFile(as: file.path), path: path)
      }
      let output = try OutputFile(path: path, byteCount: file.byteCount)
      // Bytes have no padding, so reading them raw is sound.
      try output.write(unsafe file.bytes.bytes, at: 0)
      try output.commit()
    } catch {
      throw PipelineError(error)
    }
  }

  /// Says before the work when a file that would come along is another one in the folder of the results already, so that
  /// nobody's file is lost. The data of models that are written anew do not count.
  public static func refuseOthers(
    _ relatives: [String], from source: String, to target: String
  ) throws(PipelineError) {
    for relative in relatives where !relative.hasSuffix(ModelOutput.dataFileName(forModel: ".onnx")) {
      let path = joined(target, relative)
      if kind(ofPath: path) == .missing { continue }
      do throws(ByteIOError) {
        let (own, other) = (try MappedFile(path: joined(source, relative)), try MappedFile(path: path))
        if own.byteCount == other.byteCount, FileDigest.sha256(of: own) == FileDigest.sha256(of: other) {
          continue
        }
      } catch {
        throw PipelineError(error)
      }
      throw PipelineError(
        "\(path): this file is there, and it is another one than \(joined(source, relative)), which would come along; "
          + "take another folder for the result, or remove the file", .inputOutput)
    }
  }

  /// Refuses results inside of the folder of a model of two parts, where loaders would take them for one model.
  static func refuseInside(_ source: String, _ target: String) throws(PipelineError) {
    guard let home = identity(ofPath: source) else { return }
    var place = target.hasPrefix("/") || target.hasPrefix("..") ? target : "./" + target
    while !place.isEmpty, place != "/" {
      if identity(ofPath: place) == home {
        throw PipelineError(
          "\(target): this folder is inside of the model's, \(source), where both would be taken for one model; name "
            + "one outside of it", .usage)
      }
      place = folder(of: place)
    }
  }

  /// Whether the input is a folder; a path that leads nowhere is an error.
  public static func isFolder(_ path: String) throws(PipelineError) -> Bool {
    switch kind(ofPath: path) {
    case .folder: return true
    case .file: return false
    case .missing: throw PipelineError(ByteIOError(.notFound, path: path))
    case .other: throw PipelineError(ByteIOError(.notARegularFile(found: "a device or pipe"), path: path))
    }
  }

  /// The file that a model's output goes to; a folder as output takes the input's name.
  public static func outputPath(for input: String, output: String) -> String {
    if output.hasSuffix("/") || kind(ofPath: output) == .folder { return joined(output, fileName(of: input)) }
    return output
  }

  /// The output of a folder must be another one.
  public static func refuseSameFolder(_ input: String, _ output: String) throws(PipelineError) {
    if kind(ofPath: output) == .file {
      throw PipelineError("\(output): this is a file, but the input is a folder; give a folder", .usage)
    }
    if let id = identity(ofPath: output), id == identity(ofPath: input) {
      throw PipelineError(ByteIOError(.sameFile(as: input), path: output))
    }
  }

  /// Writes a model unchanged, its data beside it.
  public static func carryModel(_ request: QuantizeRequest) throws(PipelineError) {
    var unchanged = request
    unchanged.allowsUnchanged = true
    unchanged.plan = QuantPlan(
      scheme: request.policy.scheme, format: request.policy.format, borderTypes: .keep, entries: [])
    _ = try QuantizePipeline.run(unchanged)
  }
}
