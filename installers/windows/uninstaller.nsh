; The uninstaller: removes what the installer wrote, by the installer's own list. Chats and models are asked about one by
; one and stay unless their box is ticked; /S keeps them. /UPDATE (from a newer installer) removes the program alone.

Var UnUpdate
Var UnChats
Var UnModels
Var UnChatsBox
Var UnModelsBox

Function un.onInit
  SetShellVarContext current
  StrCpy $UnChats 0
  StrCpy $UnModels 0
  StrCpy $UnUpdate 0
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/UPDATE" $1
  ${IfNot} ${Errors}
    StrCpy $UnUpdate 1
  ${EndIf}
  ClearErrors
FunctionEnd

Function un.AskPage
  !insertmacro MUI_HEADER_TEXT "$(UN_TITLE)" "$(UN_SUBTITLE)"
  nsDialogs::Create 1018
  Pop $0
  ${NSD_CreateLabel} 0 0 100% 36u "$(UN_WORDS)"
  Pop $0
  ${NSD_CreateCheckbox} 0 42u 100% 12u "$(UN_CHATS)"
  Pop $UnChatsBox
  ${NSD_CreateLabel} 12u 55u -12u 20u "$(UN_CHATS_WORDS)"
  Pop $0
  StrCpy $1 0
  ${If} ${FileExists} "${DATA}\models\*"
    ${GetSize} "${DATA}\models" "/S=0M" $1 $2 $3
  ${EndIf}
  ${NSD_CreateCheckbox} 0 80u 100% 12u "$(UN_MODELS)"
  Pop $UnModelsBox
  ${NSD_CreateLabel} 12u 93u -12u 20u "$(UN_MODELS_WORDS)"
  Pop $0
  nsDialogs::Show
FunctionEnd

Function un.AskLeave
  ${NSD_GetState} $UnChatsBox $UnChats
  ${NSD_GetState} $UnModelsBox $UnModels
FunctionEnd

; In, on the stack: a folder. Remove it with everything in it. A link to another place is taken away and not followed.
Function un.DeleteTree
  Exch $0
  Push $1
  Push $2
  Push $3
  System::Call 'kernel32::GetFileAttributesW(w r0) i.r3'
  IntOp $1 $3 & 0x400 ; FILE_ATTRIBUTE_REPARSE_POINT
  ${If} $3 <> -1
    ${If} $1 = 0
      FindFirst $1 $2 "$0\*"
      ${DoUntil} $2 == ""
        ${If} $2 != "."
        ${AndIf} $2 != ".."
          System::Call 'kernel32::GetFileAttributesW(w "$0\$2") i.r3'
          IntOp $3 $3 & 0x10 ; FILE_ATTRIBUTE_DIRECTORY
          ${If} $3 <> 0
            Push "$0\$2"
            Call un.DeleteTree
          ${Else}
            SetFileAttributes "$0\$2" NORMAL
            Delete "$0\$2"
          ${EndIf}
        ${EndIf}
        FindNext $1 $2
      ${Loop}
      FindClose $1
    ${EndIf}
    RMDir "$0"
  ${EndIf}
  Pop $3
  Pop $2
  Pop $1
  Pop $0
FunctionEnd

; Everything of the app's folder except the models: settings, history and its copies, notes about models.
Function un.DeleteChats
  FindFirst $1 $2 "${DATA}\*"
  ${DoUntil} $2 == ""
    ${If} $2 != "."
    ${AndIf} $2 != ".."
    ${AndIf} $2 != "models"
      ${If} ${FileExists} "${DATA}\$2\*"
        Push "${DATA}\$2"
        Call un.DeleteTree
      ${Else}
        SetFileAttributes "${DATA}\$2" NORMAL
        Delete "${DATA}\$2"
      ${EndIf}
    ${EndIf}
    FindNext $1 $2
  ${Loop}
  FindClose $1
  ; Access tokens, where keyring keeps them in Windows' own safe: the last one under the bare name.
  System::Call 'advapi32::CredDeleteW(w "${ID}", i 1, i 0)'
  System::Call 'advapi32::CredDeleteW(w "hf_token@${ID}", i 1, i 0)'
  System::Call 'advapi32::CredDeleteW(w "modelscope_token@${ID}", i 1, i 0)'
FunctionEnd

Section "un.${NAME}"
  StrCpy $R0 $INSTDIR
  Call un.NeedClosed
  SetOutPath $TEMP ; a folder that is somebody's current one cannot be removed
  ; The add-on for NVIDIA's cards was unpacked by hand: an old one beside new libraries would crash the worker.
  Delete "$INSTDIR\_internal\llama_cpp\lib\ggml-cuda.dll"
  Delete "$INSTDIR\_internal\llama_cpp\lib\cudart64_*.dll"
  Delete "$INSTDIR\_internal\llama_cpp\lib\cublas64_*.dll"
  Delete "$INSTDIR\_internal\llama_cpp\lib\cublasLt64_*.dll"
  Delete "$INSTDIR\CUDA.txt"
  Delete "$INSTDIR\CUDA-NOTICE.txt"
  !include "${UNINSTALL_LIST}"
  ${If} ${FileExists} "$INSTDIR\${WINDOW_EXE}"
  ${OrIf} ${FileExists} "$INSTDIR\${CONSOLE_EXE}"
    !insertmacro Fail 6 "$(UN_LEFT)"
  ${EndIf}
  ${If} $UnUpdate = 1
    SetErrorLevel 0
    Return
  ${EndIf}
  Delete "$INSTDIR\${UNINSTALLER}"
  RMDir "$INSTDIR"

  Delete "$SMPROGRAMS\${NAME}.lnk"
  ReadRegDWORD $0 HKCU "${APP_KEY}" DesktopShortcut
  ${If} $0 = 1
    Delete "$DESKTOP\${NAME}.lnk"
  ${EndIf}
  ReadRegDWORD $0 HKCU "${APP_KEY}" OnPath
  ${If} $0 = 1
    StrCpy $R0 $INSTDIR
    Call un.PathRemove
  ${EndIf}

  !insertmacro Dissociate
  DeleteRegKey HKCU "${APP_KEY}"
  DeleteRegKey HKCU "${UNINSTALL_KEY}"
  !insertmacro TellShell

  ; What the app can make anew is no use without it: looked-up lists, logs, the lock of its window.
  Push "${DATA}\Cache"
  Call un.DeleteTree
  Push "${DATA}\Logs"
  Call un.DeleteTree
  Push "${DATA}\run"
  Call un.DeleteTree
  ${If} $UnChats = ${BST_CHECKED}
    Call un.DeleteChats
  ${EndIf}
  ${If} $UnModels = ${BST_CHECKED}
    Push "${DATA}\models"
    Call un.DeleteTree
  ${EndIf}
  RMDir "${DATA}" ; only when nothing is left in it
SectionEnd
