import ONNXFile

/// A model whose files are complete, but have not their names yet, with what is to be said about it.
struct FinishedModel<Report: Sendable>: Sendable {
  let report: Report
  let output: ModelOutput

  /// Gives the files their names.
  func commit() throws(PipelineError) {
    do { try output.commit() } catch { throw PipelineError(error) }
  }
}
