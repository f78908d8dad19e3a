import WhisperQCommands

WhisperQ.start()
