; The association with .gguf files, for this user alone: a type of our own, named as one of the programs that open them.

!macro Associate
  WriteRegStr HKCU "${CLASSES}\${PROGID}" "" "$(GGUF_TYPE)"
  WriteRegStr HKCU "${CLASSES}\${PROGID}\DefaultIcon" "" "$INSTDIR\${WINDOW_EXE},0"
  WriteRegStr HKCU "${CLASSES}\${PROGID}\shell\open" FriendlyAppName "${NAME}"
  WriteRegStr HKCU "${CLASSES}\${PROGID}\shell\open\command" "" '"$INSTDIR\${WINDOW_EXE}" "%1"'
  WriteRegStr HKCU "${CLASSES}\Applications\${WINDOW_EXE}" FriendlyAppName "${NAME}"
  WriteRegStr HKCU "${CLASSES}\Applications\${WINDOW_EXE}\SupportedTypes" ".gguf" ""
  WriteRegStr HKCU "${CLASSES}\Applications\${WINDOW_EXE}\shell\open\command" "" '"$INSTDIR\${WINDOW_EXE}" "%1"'
  WriteRegStr HKCU "${CLASSES}\.gguf\OpenWithProgids" "${PROGID}" ""
  ; Listed in Settings > Default apps, where the user may choose it.
  WriteRegStr HKCU "${APP_KEY}\Capabilities" ApplicationName "${NAME}"
  WriteRegStr HKCU "${APP_KEY}\Capabilities" ApplicationDescription "$(COMMENT)"
  WriteRegStr HKCU "${APP_KEY}\Capabilities\FileAssociations" ".gguf" "${PROGID}"
  WriteRegStr HKCU "Software\RegisteredApplications" "${NAME}" "${APP_KEY}\Capabilities"
  ; The default is taken only where nobody has it, neither for this user nor for everyone on the computer.
  ReadRegStr $0 HKCU "${CLASSES}\.gguf" ""
  ReadRegStr $1 HKLM "${CLASSES}\.gguf" ""
  ${If} "$0$1" == ""
    WriteRegStr HKCU "${CLASSES}\.gguf" "" "${PROGID}"
  ${EndIf}
!macroend

; The other programs' entries stay, and so does a default that is no longer ours.
!macro Dissociate
  ReadRegStr $0 HKCU "${CLASSES}\.gguf" ""
  ${If} $0 == "${PROGID}"
    DeleteRegValue HKCU "${CLASSES}\.gguf" ""
  ${EndIf}
  DeleteRegValue HKCU "${CLASSES}\.gguf\OpenWithProgids" "${PROGID}"
  DeleteRegKey /ifempty HKCU "${CLASSES}\.gguf\OpenWithProgids"
  DeleteRegKey /ifempty HKCU "${CLASSES}\.gguf"
  DeleteRegKey HKCU "${CLASSES}\${PROGID}"
  DeleteRegKey HKCU "${CLASSES}\Applications\${WINDOW_EXE}"
  DeleteRegKey /ifempty HKCU "${CLASSES}\Applications"
  DeleteRegValue HKCU "Software\RegisteredApplications" "${NAME}"
  DeleteRegKey HKCU "${APP_KEY}\Capabilities"
!macroend

!macro TellShell
  System::Call 'shell32::SHChangeNotify(i 0x08000000, i 0x1000, p 0, p 0)' ; SHCNE_ASSOCCHANGED, SHCNF_FLUSH
!macroend
