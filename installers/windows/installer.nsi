; The installer for one user: no administrator rights, nothing outside the user's own folders and registry.
; Compiled by nsis.py, which defines every ${VALUE} and makes the lists of files from the frozen folder.
;
; Command line:  /S            silent: never asks, keeps chats and models
;                /D=FOLDER     (last, without quotes) another folder
;                /DESKTOP=1    a shortcut on the desktop        (0: none, the default)
;                /GGUF=0       no association with .gguf files  (1: the default)
;                /PATH=1       `qwen-desktop` in terminals      (0: the default)
; An update keeps what was chosen before, unless the command line says otherwise.
;
; Exit codes:    0 done   1 cancelled   2 a file could not be written   3 this Windows will not do
;                4 the app is running and did not close   5 the older version could not be removed
;                6 some files could not be removed   7 another set-up is running   8 the folder's path is too long

Unicode true
!include MUI2.nsh
!include LogicLib.nsh
!include FileFunc.nsh
!include Sections.nsh
!include WinVer.nsh
!include x64.nsh

!define UNINSTALL_KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\${ID}"
!define APP_KEY "Software\${NAME}"
!define CLASSES "Software\Classes"
!define PROGID "QwenDesktop.GGUF.1"
; platformdirs' folder on Windows (qwen_desktop/core/paths.py): settings, chats, models, cache and logs.
!define DATA "$LOCALAPPDATA\${ID}"

Name "${NAME}"
OutFile "${OUT}"
InstallDir "$LOCALAPPDATA\Programs\${NAME}"
InstallDirRegKey HKCU "${UNINSTALL_KEY}" InstallLocation
RequestExecutionLevel user
SetCompressor /SOLID lzma
SetCompressorDictSize 64
; The same input gives the same installer: the files' own times stay out of it.
SetDateSave off
AllowSkipFiles off
CRCCheck on
ShowInstDetails nevershow
ShowUninstDetails nevershow
ManifestDPIAware true
ManifestLongPathAware true
ManifestSupportedOS Win10
BrandingText "${NAME} ${VERSION}"

!ifdef SIGN
  !uninstfinalize '${SIGN} "%1"' = 0
  !finalize '${SIGN} "%1"' = 0
!endif

VIProductVersion "${NUMBERS}"
VIFileVersion "${NUMBERS}"
!macro Version language
  VIAddVersionKey /LANG=${language} ProductName "${NAME}"
  VIAddVersionKey /LANG=${language} ProductVersion "${VERSION}"
  VIAddVersionKey /LANG=${language} FileVersion "${VERSION}"
  VIAddVersionKey /LANG=${language} FileDescription "${NAME} Setup"
  VIAddVersionKey /LANG=${language} CompanyName "${PUBLISHER}"
  VIAddVersionKey /LANG=${language} LegalCopyright "${PUBLISHER}. ${LICENCE}."
!macroend

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_WELCOMEFINISHPAGE_BITMAP "${PICTURE}"
!define MUI_ABORTWARNING

!define MUI_PAGE_CUSTOMFUNCTION_PRE SkipWhenInstalled
!define MUI_PAGE_CUSTOMFUNCTION_LEAVE CheckFolder
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_INSTFILES
!define MUI_FINISHPAGE_RUN "$INSTDIR\${WINDOW_EXE}"
!define MUI_FINISHPAGE_NOREBOOTSUPPORT
!insertmacro MUI_PAGE_FINISH
UninstPage custom un.AskPage un.AskLeave
!insertmacro MUI_UNPAGE_INSTFILES

!include languages.nsh
!include running.nsh
!include path.nsh
!insertmacro RunningFunctions ""
!insertmacro RunningFunctions "un."
!insertmacro PathRemoveFunction ""
!insertmacro PathRemoveFunction "un."
!include association.nsh

!macro Fail code text
  MessageBox MB_OK|MB_ICONSTOP "${text}" /SD IDOK
  SetErrorLevel ${code}
  Quit
!macroend

; What the command line or, without a word there, the last installation says about an optional section.
!macro Choose section option value
  ReadRegDWORD $1 HKCU "${APP_KEY}" ${value}
  ${IfNot} ${Errors}
    ${If} $1 = 0
      !insertmacro UnselectSection ${section}
    ${Else}
      !insertmacro SelectSection ${section}
    ${EndIf}
  ${EndIf}
  ClearErrors
  ${GetOptions} $0 "${option}" $1
  ${IfNot} ${Errors}
    ${If} $1 = 0
      !insertmacro UnselectSection ${section}
    ${Else}
      !insertmacro SelectSection ${section}
    ${EndIf}
  ${EndIf}
  ClearErrors
!macroend

; Write down what was chosen, for the next update. $0 becomes 1 when an earlier choice was taken back.
!macro Remember section value
  ReadRegDWORD $1 HKCU "${APP_KEY}" ${value}
  StrCpy $0 0
  ${If} ${SectionIsSelected} ${section}
    WriteRegDWORD HKCU "${APP_KEY}" ${value} 1
  ${Else}
    WriteRegDWORD HKCU "${APP_KEY}" ${value} 0
    StrCpy $0 $1
  ${EndIf}
!macroend

Section "$(SECTION_APP)" SEC_APP
  SectionIn RO
  Call CheckFolder
  StrCpy $R0 $INSTDIR
  Call NeedClosed
  Call RemoveOlder
  !include "${INSTALL_LIST}"
  SetOutPath $INSTDIR
  WriteUninstaller "$INSTDIR\${UNINSTALLER}"

  ; The folder that a program is started in can be planted with libraries, and holding it open would keep the uninstaller
  ; from removing it: shortcuts start in the user's own folder.
  SetOutPath $PROFILE
  CreateShortcut "$SMPROGRAMS\${NAME}.lnk" "$INSTDIR\${WINDOW_EXE}" "" "$INSTDIR\${WINDOW_EXE}" 0 SW_SHOWNORMAL "" \
    "$(COMMENT)"

  WriteRegStr HKCU "${UNINSTALL_KEY}" DisplayName "${NAME}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" DisplayVersion "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" DisplayIcon "$INSTDIR\${WINDOW_EXE},0"
  WriteRegStr HKCU "${UNINSTALL_KEY}" Publisher "${PUBLISHER}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" URLInfoAbout "${URL}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" HelpLink "${URL}"
  WriteRegStr HKCU "${UNINSTALL_KEY}" InstallLocation "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL_KEY}" UninstallString '"$INSTDIR\${UNINSTALLER}"'
  WriteRegStr HKCU "${UNINSTALL_KEY}" QuietUninstallString '"$INSTDIR\${UNINSTALLER}" /S'
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" EstimatedSize ${KILOBYTES}
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" NoModify 1
  WriteRegDWORD HKCU "${UNINSTALL_KEY}" NoRepair 1
SectionEnd

Section "$(SECTION_GGUF)" SEC_GGUF
  !insertmacro Associate
SectionEnd

Section /o "$(SECTION_DESKTOP)" SEC_DESKTOP
  SetOutPath $PROFILE
  CreateShortcut "$DESKTOP\${NAME}.lnk" "$INSTDIR\${WINDOW_EXE}" "" "$INSTDIR\${WINDOW_EXE}" 0 SW_SHOWNORMAL "" \
    "$(COMMENT)"
SectionEnd

Section /o "$(SECTION_PATH)" SEC_PATH
  StrCpy $R0 $INSTDIR
  Call PathAdd
  ${If} $R1 = 0
    MessageBox MB_OK|MB_ICONEXCLAMATION "$(PATH_FAILED)" /SD IDOK
  ${EndIf}
SectionEnd

Section "-After"
  !insertmacro Remember ${SEC_GGUF} Association
  ${If} $0 = 1
    !insertmacro Dissociate
  ${EndIf}
  !insertmacro Remember ${SEC_DESKTOP} DesktopShortcut
  ${If} $0 = 1
    Delete "$DESKTOP\${NAME}.lnk"
  ${EndIf}
  !insertmacro Remember ${SEC_PATH} OnPath
  ${If} $0 = 1
    StrCpy $R0 $INSTDIR
    Call PathRemove
  ${EndIf}
  !insertmacro TellShell
  SetOutPath $PROFILE
SectionEnd

!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${SEC_APP} "$(ABOUT_APP)"
  !insertmacro MUI_DESCRIPTION_TEXT ${SEC_GGUF} "$(ABOUT_GGUF)"
  !insertmacro MUI_DESCRIPTION_TEXT ${SEC_DESKTOP} "$(ABOUT_DESKTOP)"
  !insertmacro MUI_DESCRIPTION_TEXT ${SEC_PATH} "$(ABOUT_PATH)"
!insertmacro MUI_FUNCTION_DESCRIPTION_END

Function .onInit
  SetShellVarContext current
  Call CheckWindows
  System::Call 'kernel32::CreateMutexW(p 0, i 0, w "${ID}-setup") p.r1 ?e'
  Pop $0
  ${If} $0 = 183 ; ERROR_ALREADY_EXISTS
    !insertmacro Fail 7 "$(ANOTHER_SETUP)"
  ${EndIf}
  ${GetParameters} $0
  ClearErrors
  !insertmacro Choose ${SEC_GGUF} "/GGUF=" Association
  !insertmacro Choose ${SEC_DESKTOP} "/DESKTOP=" DesktopShortcut
  !insertmacro Choose ${SEC_PATH} "/PATH=" OnPath
FunctionEnd

Function CheckWindows
  ${IfNot} ${AtLeastWin10}
  ${OrIfNot} ${AtLeastBuild} 19045
    !insertmacro Fail 3 "$(TOO_OLD)"
  ${EndIf}
!if "${ARCH}" == "arm64"
  ${IfNot} ${IsNativeARM64}
    !insertmacro Fail 3 "$(NEEDS_ARM64)"
  ${EndIf}
!else
  ${IfNot} ${RunningX64}
    !insertmacro Fail 3 "$(NEEDS_X64)"
  ${EndIf}
  ${If} ${IsNativeARM64}
  ${AndIfNot} ${AtLeastBuild} 22000 ; Windows 10 on ARM does not run programs for x64
    !insertmacro Fail 3 "$(NEEDS_ARM_11)"
  ${EndIf}
!endif
FunctionEnd

Function SkipWhenInstalled
  ReadRegStr $0 HKCU "${UNINSTALL_KEY}" InstallLocation
  ${If} $0 != ""
  ${AndIf} ${FileExists} "$0\${UNINSTALLER}"
    Abort
  ${EndIf}
FunctionEnd

; Without the system's switch for long paths a path may have 259 characters.
Function CheckFolder
  StrLen $0 $INSTDIR
  IntOp $0 $0 + ${LONGEST}
  ${If} $0 > 259
    MessageBox MB_OK|MB_ICONEXCLAMATION "$(FOLDER_TOO_LONG)" /SD IDOK
    SetErrorLevel 8
    Abort
  ${EndIf}
FunctionEnd

; An older version is removed by its own uninstaller, which knows what it installed. It keeps what is the user's.
Function RemoveOlder
  ReadRegStr $0 HKCU "${UNINSTALL_KEY}" InstallLocation
  ${If} $0 == ""
  ${OrIfNot} ${FileExists} "$0\${UNINSTALLER}"
    Return
  ${EndIf}
  StrCpy $R0 $0
  Call NeedClosed
  ExecWait '"$0\${UNINSTALLER}" /S /UPDATE _?=$0' $1
  ${If} ${Errors}
  ${OrIf} $1 <> 0
    !insertmacro Fail 5 "$(OLDER_STAYS)"
  ${EndIf}
  ${If} $0 != $INSTDIR
    Delete "$0\${UNINSTALLER}"
    RMDir "$0"
    Call PathRemove
  ${EndIf}
FunctionEnd

!include uninstaller.nsh
