public import ByteIO
public import Tensors

/// A model being written: one file, or two with the weights in the second.
///
/// Whoever makes a promised payload writes it from any thread; `copyJobs` lists the rest. Nothing has its
/// name before `commit`.
public final class ModelOutput: Sendable {
  /// Bytes that only have to be copied from the source.
  public struct CopyJob: Sendable {
    public let bytes: TensorBytes
    let part: ModelLayout.Part
    let byteOffset: Int
  }

  public let path: String
  /// The data file's path, or nil when the model is one file.
  public let dataPath: String?
  /// Length of both files together.
  public let byteCount: Int
  public let copyJobs: [CopyJob]
  /// Bytes that stay in the source's data files, by location.
  public let referencedByteCounts: [String: Int]
  private let model: OutputFile
  private let data: OutputFile?
  private let places: [PayloadID: (part: ModelLayout.Part, byteOffset: Int, byteCount: Int)]

  /// Up to this many bytes a payload is copied at once, without a job of its own.
  private static let smallByteCount = 1 << 16

  /// The name of the data file of a model: `encoder.onnx` has `encoder.onnx.data`.
  public static func dataFileName(forModel path: String) -> String { fileName(of: path) + ".data" }

  /// Creates the files with their final lengths and writes all small parts; `sources` as in `ModelLayout`.
  public init(
    _ message: ModelProto, path: String, policy: ExternalDataPolicy, sources: [FileIdentity: String] = [:]
  ) throws(ONNXFileError) {
    let dataName = Self.dataFileName(forModel: path)
    let layout = try ModelLayout(
      message, policy: policy, dataFileName: dataName, sources: sources, path: path)
    self.path = path
    referencedByteCounts = layout.referencedByteCounts
    byteCount = layout.modelByteCount + (layout.dataByteCount ?? 0)
    do {
      model = try OutputFile(path: path, byteCount: layout.modelByteCount)
      if let dataByteCount = layout.dataByteCount {
        let target = joined(folder(of: path), dataName)
        dataPath = target
        data = try OutputFile(path: target, byteCount: dataByteCount)
      } else {
        dataPath = nil
        data = nil
      }
      for run in layout.literalRuns {
        // Bytes have no padding, so reading them raw is sound.
        let part = unsafe layout.literal.span.extracting(run.range).bytes
        try model.write(part, at: run.byteOffset)
      }
    } catch {
      throw ONNXFileError(.io(error), path: path)
    }
    var jobs: [CopyJob] = []
    var places: [PayloadID: (part: ModelLayout.Part, byteOffset: Int, byteCount: Int)] = [:]
    var small: [CopyJob] = []
    for extent in layout.extents {
      let job = CopyJob(bytes: extent.bytes, part: extent.part, byteOffset: extent.byteOffset)
      if case .promised(let id, let byteCount) = extent.bytes {
        places[id] = (extent.part, extent.byteOffset, byteCount)
      } else if extent.bytes.byteCount <= Self.smallByteCount {
        small.append(job)
      } else {
        jobs.append(job)
      }
    }
    copyJobs = jobs
    self.places = places
    for job in small { try run(job) }
  }

  /// Copies a part of the source into its place and gives its pages back.
  public func run(_ job: CopyJob) throws(ONNXFileError) {
    let step = 4 << 20
    var done = 0
    while done < job.bytes.byteCount {
      let range = done..<min(done + step, job.bytes.byteCount)
      do {
        try job.bytes.withBytes { (span) throws(ByteIOError) in
          // Bytes have no padding, so reading them raw is sound.
          let part = unsafe span.extracting(range).bytes
          try file(job.part).write(part, at: job.byteOffset + range.lowerBound)
        }
      } catch {
        throw ONNXFileError(.io(error), path: path)
      }
      if range.count > Self.smallByteCount { job.bytes.release(range) }
      done = range.upperBound
    }
  }

  /// Writes a part of a promised payload.
  public func write(_ id: PayloadID, _ bytes: RawSpan, at byteOffset: Int) throws(ONNXFileError) {
    guard let place = places[id] else {
      preconditionFailure("payload \(id.number) was promised to nobody")
    }
    precondition(byteOffset >= 0 && byteOffset + bytes.byteCount <= place.byteCount, "payload overrun")
    do {
      try file(place.part).write(bytes, at: place.byteOffset + byteOffset)
    } catch {
      throw ONNXFileError(.io(error), path: path)
    }
  }

  /// Gives the files their names. With two files the old model goes first, so that no moment shows a model
  /// beside data that is not its own.
  public func commit() throws(ONNXFileError) {
    do {
      if let data {
        if kind(ofPath: path) == .file { try removeFile(path) }
        try data.commit()
      }
      try model.commit()
    } catch {
      throw ONNXFileError(.io(error), path: path)
    }
  }

  /// Drops what was written.
  public func discard() {
    model.discard()
    data?.discard()
  }

  private func file(_ part: ModelLayout.Part) -> OutputFile {
    switch part {
    case .model: return model
    case .data:
      guard let data else { preconditionFailure("the layout has no data file") }
      return data
    }
  }
}
