public import ArgumentParser
import Console
import Pipeline

/// The program: its subcommands, and how an error reaches the user.
public struct WhisperQ: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "whisperq",
    abstract:
      "Quantize Whisper models in ONNX form, from tiny to large-v3, and prove what they still understand.",
    discussion: """
      EXAMPLES
        whisperq download-layout hf:onnx-community/whisper-tiny
        whisperq inspect encoder_model.onnx
        whisperq quantize encoder_model.onnx --output encoder_int8.onnx
        whisperq quantize whisper_large_onnx --output whisper_large_quantized
        whisperq quantize decoder_model_merged.onnx --dry-run
        whisperq validate encoder_int8.onnx --reference encoder_model.onnx
        whisperq transcribe speech.wav --model whisper_demo
        whisperq evaluate speech --model whisper_demo --max-wer 10
        whisperq doctor
        whisperq manifest list

      EXIT CODES
        0 done, 1 verdict "not good enough", 2 bad input file, 3 unsupported
        model or provider, 4 input/output, 64 usage, 70 internal error

      Shell completions: whisperq --generate-completion-script {bash|zsh|fish}
      """,
    version: "0.1.0",
    subcommands: [
      DownloadLayoutCommand.self, QuantizeCommand.self, InspectCommand.self, ValidateCommand.self,
      PrepareCommand.self, CompileCommand.self,
      BenchCommand.self, TranscribeCommand.self, EvaluateCommand.self, DoctorCommand.self,
      ManifestCommand.self,
    ])

  public init() {}

  /// Parses, runs, and ends the process with the documented status.
  public static func start() -> Never {
    Startup.prepare()
    do {
      var command = try parseAsRoot()
      try command.run()
      exit(withError: ExitCode.success)
    } catch let error as PipelineError {
      Notes(verbosity: .quiet).error(Printable.sentence(error.message))
      exit(withError: ExitCode(error.status.rawValue))
    } catch let error as ConsoleError {
      Notes(verbosity: .quiet).error("\(error)")
      exit(withError: ExitCode(ExitStatus.inputOutput.rawValue))
    } catch {
      exit(withError: error)
    }
  }
}
